"""Keys that sign letters, made once for all tests: RSA takes a while to find."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from mailer.campaign import Signing
from mailer.dkim import Signer

DOMAIN = "campaign.example"
GOOD = ("rsa", "rsa in its older form", "ed25519")


@cache
def pem(kind: str) -> bytes:
    """A private key as openssl writes it. The kinds are those of GOOD, and some that will not do."""
    bits = {"rsa of 1024 bits": 1024}.get(kind, 2048)
    made = (
        rsa.generate_private_key(65537, bits)
        if kind.startswith("rsa")
        else ec.generate_private_key(ec.SECP256R1())
        if kind == "an elliptic curve"
        else ed25519.Ed25519PrivateKey.generate()
    )
    form = PrivateFormat.TraditionalOpenSSL if kind == "rsa in its older form" else PrivateFormat.PKCS8
    closed = BestAvailableEncryption(b"passphrase") if kind == "ed25519 under a passphrase" else NoEncryption()
    return made.private_bytes(Encoding.PEM, form, closed)


def key_file(folder: Path, kind: str) -> Path:
    path = folder / f"{kind.replace(' ', '-')}.pem"
    path.write_bytes(pem(kind))
    path.chmod(0o600)
    return path


def signer(folder: Path, kind: str, domain: str = DOMAIN, selector: str = "") -> Signer:
    """A key at work; its selector is what it is called, unless another is given."""
    return Signer(Signing(domain, selector or kind.split(" ", maxsplit=1)[0], str(key_file(folder, kind))))
