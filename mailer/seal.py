"""
The install's keys, and everything that is done with them.

    signature > SEAL > ledger

One key file a campaign, `var/keys/<campaign>.key`, 32 random bytes in hex, 0600 in a 0700 folder. From it come, each for one
use (HKDF, RFC 5869): the key that seals personal data (AES-GCM), the one that knows a person again (HMAC of the address), the
one that proves a letter to be ours (evidence header), and the fingerprint that the ledger keeps.

A missing or different key stops everything: a new one would make every signatory unknown and send every letter again. A key
is made only for a campaign that the ledger has never seen. Destroying the file is forgetting the campaign.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from mailer.durable import sync_folder
from mailer.errors import CannotWrite, KeyProblem

_NONCE = 12


class Seal:
    """What one campaign's key does. The key itself never leaves it, not even into a traceback."""

    __slots__ = ("_aead", "_campaign", "_evidence", "_person", "_sealing", "fingerprint")

    def __init__(self, campaign: str, key: bytes) -> None:
        self._campaign = campaign.encode()
        self._sealing = _derived(key, b"seal")
        self._person = _derived(key, b"person")
        self._evidence = _derived(key, b"evidence")
        self._aead: Any = None
        self.fingerprint = _derived(key, b"fingerprint").hex()[:32]

    def __repr__(self) -> str:
        return f"Seal({self._campaign.decode()!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a seal is neither copied nor written down")

    def close(self, opened: bytes) -> bytes:
        """Seal bytes; each call gives different ones."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + bytes(self._cipher().encrypt(nonce, opened, self._campaign))

    def open(self, sealed: bytes) -> bytes:
        """
        Open what `close` sealed.

        Raises:
            KeyProblem: it was sealed by another key, for another campaign, or was changed.
        """
        from cryptography.exceptions import InvalidTag

        try:
            return bytes(self._cipher().decrypt(sealed[:_NONCE], sealed[_NONCE:], self._campaign))
        except (InvalidTag, ValueError):
            raise KeyProblem(f"campaign {self._campaign.decode()}: a sealed record does not open with this key") from None

    def person(self, identity: str) -> bytes:
        """The keyed hash by which a signatory is found again."""
        return hmac.digest(self._person, identity.encode("utf-8"), "sha256")[:20]

    def evidence(self, message_id: str) -> str:
        """What the evidence header says: proof, for whoever has the key, that this letter is ours."""
        return hmac.digest(self._evidence, message_id.encode("ascii"), "sha256").hex()[:40]

    def paced(self, key: str) -> str:
        """What a key of the pace is called in the ledger where it tells of a signatory: a keyed hash of 80 bits."""
        return "#" + hmac.digest(self._evidence, b"pace " + key.encode("utf-8"), "sha256")[:10].hex()

    def token(self, letter: int, day: int) -> str:
        """A return address's token: letter, day of issue (since 1970) and 80 bits that only the key can make."""
        text = f"{letter:x}-{day:x}"
        mac = hmac.digest(self._evidence, b"return " + text.encode("ascii"), "sha256")[:10]
        return f"{text}-{base64.b32encode(mac).decode('ascii').lower()}"

    def letter_of(self, token: str, today: int, within: int) -> int | None:
        """
        The letter that a return address's token names, if only this key can have made it, not more than so many days ago
        (`today` since 1970); None if not.
        """
        letter, _, rest = token.lower().partition("-")
        day = rest.partition("-")[0]
        try:
            number, made = int(letter, 16), int(day, 16)
        except ValueError:
            return None
        if not 0 < number < 1 << 62 or not today - within <= made <= today + 1:
            return None
        return number if hmac.compare_digest(self.token(number, made).encode(), token.lower().encode()) else None

    def _cipher(self) -> Any:
        # Imported when first used: it costs 30 ms, which a pass without a letter need not pay.
        if self._aead is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._aead = AESGCM(self._sealing)
        return self._aead


def _derived(key: bytes, use: bytes) -> bytes:
    """HKDF-SHA256 with an empty salt, one block (RFC 5869 2.2 and 2.3)."""
    extracted = hmac.digest(b"\0" * 32, key, "sha256")
    return hmac.digest(extracted, b"mailer " + use + b"\x01", hashlib.sha256)


def load(folder: Path, campaign: str, fingerprint: str | None) -> Seal:
    """
    The seal of a campaign; a new key is made only where `fingerprint` is None, the ledger never having seen the campaign.

    Raises:
        KeyProblem: the key is missing, unreadable or not the one that the ledger knows.
        CannotWrite: a new key cannot be written.
    """
    path = folder / f"{campaign}.key"
    try:
        if fingerprint is None and not path.exists():
            _make(folder, path)
        seal = _read(path, campaign)
    except FileNotFoundError:
        raise KeyProblem(
            f"{path}: the key of campaign {campaign} is missing; put it back from where keys are kept (a new key would"
            " make every signatory unknown and send every letter again)"
        ) from None
    except OSError as problem:
        raise KeyProblem(f"{path}: the key cannot be read ({problem.strerror})") from None
    if seal is None:
        raise KeyProblem(f"{path}: this is not a key (64 hexadecimal digits); put the right file back")
    if fingerprint is not None and seal.fingerprint != fingerprint:
        raise KeyProblem(f"{path}: this is not the key that campaign {campaign} was begun with; put the right one back")
    return seal


def _read(path: Path, campaign: str) -> Seal | None:
    """The seal of a key file; None if that holds no key. Nothing is raised once it is read: a traceback would hold the key."""
    text = path.read_text(encoding="ascii", errors="replace").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return Seal(campaign, key) if len(key) == 32 else None


def _make(folder: Path, path: Path) -> None:
    """Write a new key. Of two programs that make one at the same time, the second finds the first one's and leaves it."""
    unfinished = folder / f".{path.name}.{secrets.token_hex(8)}.part"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(unfinished, path)
        os.unlink(unfinished)
        sync_folder(folder)
    except OSError as problem:
        raise CannotWrite(f"{path}: a key cannot be written ({problem.strerror})") from problem
