"""
The campaign's own signature on a letter (DKIM): whoever receives it can see that the campaign's domain sent these very bytes.

    letter (composed)  >  DKIM  >  relay

A DKIM-Signature field stands above the letter and changes nothing below it. A letter's fingerprint and a campaign's approval
cover neither key nor signature: a key may be changed at any time. As long as it is the same the bytes are too, for the time
in the signature is the letter's own date and both kinds of signature leave nothing to chance.

RSA of 2048 to 4096 bits, or Ed25519; which it is, the key says. A domain may sign with both, for not every receiver knows
Ed25519 yet. Header and body are canonicalised "relaxed"; the fields that people and programs go by are signed once more than
they stand there, so that nobody adds a second From. The key is opened by the first letter; no DNS is asked here (`resolver`).

RFC 6376 (DKIM; 3.4.2, 3.4.4 relaxed; 8.15 fields added), RFC 8301 (SHA-256, RSA of 2048 bits), RFC 8463 (Ed25519).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mailer.campaign import Signing
from mailer.errors import ConfigurationError
from mailer.letter import AUTOMATIC, HEADERS, SIGNATURE

_ONCE = frozenset({b"Content-Language", b"X-Letter-Evidence"})  # a second of these deceives nobody
_NAME = SIGNATURE.decode()
_LONGEST_FILE = 20_000  # bytes
_SMALLEST, _LARGEST = 2048, 4096  # bits of an RSA key; a larger one fits in no answer of DNS
_FOLD = 76
_RUNS = re.compile(rb"[ \t]{2,}|\t")


@dataclass(frozen=True, slots=True)
class _Key:
    """One private key: what it is called in a signature and in DNS, what it does, and its public half in base64."""

    algorithm: str
    name: str
    sign: Callable[[bytes], bytes]
    public: str


class Signer:
    """One key that signs for one domain under one selector. The key itself never leaves it, not even into a traceback."""

    def __init__(self, settings: Signing) -> None:
        self.settings = settings
        self._opened: _Key | None = None

    def __repr__(self) -> str:
        return f"Signer({self.settings.selector}, {self.settings.domain})"

    @property
    def record(self) -> tuple[str, str]:
        """
        What DNS must say for the signature to be believed: the name, and the text of its TXT record.

        Raises:
            ConfigurationError: the key cannot be used.
        """
        key = self._key()
        return f"{self.settings.selector}._domainkey.{self.settings.domain}", f"v=DKIM1; k={key.name}; p={key.public}"

    def signature(self, wire: bytes, at: int) -> bytes:
        """
        The DKIM-Signature field of a letter; `at` is the letter's date, in seconds since 1970.

        Raises:
            ConfigurationError: the key cannot be used.
        """
        key = self._key()
        head, _, body = wire.partition(b"\r\n\r\n")
        present = _fields(head)
        # Named once more than it stands there, a field cannot be added; one that is not there adds nothing to what is signed.
        names = [*present] + [name for name in HEADERS if name not in _ONCE]
        hashed = base64.b64encode(hashlib.sha256(_relaxed(body)).digest()).decode()
        lines = [
            f"{_NAME}: v=1; a={key.algorithm}; c=relaxed/relaxed; d={self.settings.domain};",
            f"s={self.settings.selector}; t={at};",
            *_listed("h=" + ":".join(name.decode() for name in names) + ";"),
            f"bh={hashed};",
            "b=",
        ]
        unsigned = "\r\n ".join(lines)
        own = _relaxed_field(_NAME, unsigned.partition(":")[2].encode("ascii"))
        signed = b"".join(_relaxed_field(name.decode(), value) + b"\r\n" for name, value in present.items()) + own
        made = base64.b64encode(key.sign(signed)).decode()
        return (unsigned + "\r\n ".join(_cut(made)) + "\r\n").encode("ascii")

    def _key(self) -> _Key:
        # Opened by the first letter: the library costs 30 ms, which a pass without a letter need not pay.
        if self._opened is None:
            self._opened = _opened(self.settings.key_file)
        return self._opened


def _opened(file: str) -> _Key:
    """The key of a PEM file. What is wrong with it is told without a word of it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with open(file, "rb") as stream:
            loaded = load_pem_private_key(stream.read(_LONGEST_FILE), password=None)
    except OSError as problem:
        raise ConfigurationError([f"{file}: the DKIM key cannot be read ({problem.strerror})"]) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        loaded = None
    if key := _ed25519(loaded) or _rsa(loaded):
        return key
    said = "this is no key to sign with: it must be RSA of 2048 to 4096 bits or Ed25519, in PEM, without a passphrase"
    raise ConfigurationError([f"{file}: {said}"])


def _rsa(loaded: object) -> _Key | None:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not isinstance(loaded, RSAPrivateKey) or not _SMALLEST <= loaded.key_size <= _LARGEST:
        return None
    public = loaded.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    padding, digest = PKCS1v15(), SHA256()
    return _Key("rsa-sha256", "rsa", lambda signed: loaded.sign(signed, padding, digest), _base64(public))


def _ed25519(loaded: object) -> _Key | None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not isinstance(loaded, Ed25519PrivateKey):
        return None
    public = loaded.public_key().public_bytes_raw()
    # RFC 8463 3: what is signed is the hash.
    return _Key("ed25519-sha256", "ed25519", lambda signed: loaded.sign(hashlib.sha256(signed).digest()), _base64(public))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _fields(head: bytes) -> dict[bytes, bytes]:
    """The fields of a letter by name, each with its value unfolded, in the order in which they are signed."""
    unfolded = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")
    found = {name: value for name, _, value in (line.partition(b":") for line in unfolded.split(b"\r\n"))}
    return {name: found[name] for name in (*HEADERS, AUTOMATIC) if name in found}


def _relaxed_field(name: str, value: bytes) -> bytes:
    r"""
    One field by RFC 6376 3.4.2, without its line end.

    >>> _relaxed_field("Subject", b"  Drop\r\n the \t charges ")
    b'subject:Drop the charges'
    """
    return name.lower().encode("ascii") + b":" + _single(value.replace(b"\r\n", b"")).strip(b" ")


def _relaxed(body: bytes) -> bytes:
    r"""
    A body by RFC 6376 3.4.4.

    >>> _relaxed(b"One  word \r\n\r\n \r\n"), _relaxed(b" \r\n\r\n")
    (b'One word\r\n', b'')
    """
    text = _single(body).replace(b" \r\n", b"\r\n").rstrip(b"\r\n")
    return text + b"\r\n" if text else b""


def _single(text: bytes) -> bytes:
    """A text whose runs of white space are one space each; few letters have any, and to look costs less than to replace."""
    return _RUNS.sub(b" ", text) if b"  " in text or b"\t" in text else text


def _listed(tag: str) -> Iterator[str]:
    """A tag whose value is a list, in lines that end behind a colon."""
    line = ""
    for word in re.findall(r"[^:]+[:;]", tag):
        if len(line) + len(word) > _FOLD - 1:
            yield line
            line = ""
        line += word
    yield line


def _cut(encoded: str) -> Iterator[str]:
    """A signature in lines; the first one stands behind `b=`."""
    first = _FOLD - 4
    yield encoded[:first]
    yield from (encoded[start : start + _FOLD - 1] for start in range(first, len(encoded), _FOLD - 1))
