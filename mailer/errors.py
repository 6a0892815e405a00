"""
Everything that can stop this run, this file or this command, as one tree with its exit codes.

    MailerError                  70  a bug in mailer itself, unless a subclass says otherwise
    ├── ConfigurationError       78  the configuration, all its problems at once
    ├── KeyProblem               78  a key of the install is missing or is another one
    ├── LedgerProblem            75  the ledger cannot be used just now
    │   ├── LedgerTooNew         78  it was written by a newer mailer
    │   ├── LedgerTooOld         78  it was written by an older mailer: `mailer upgrade` brings it up
    │   └── LedgerDamaged        74  it is not a whole ledger any more
    ├── RelayProblem             75  the relay cannot be used just now (never one letter's fault)
    │   └── AccountRefused       69  the relay refuses our account: a person must act
    ├── CannotSend               69  nothing can be sent until a person acts
    ├── CannotWrite              73  a folder or a file cannot be made or written
    ├── UnreadableFile           65  a signature file that cannot be read at all
    ├── BadRow                   65  one row of a signature file that cannot become a signature
    ├── RenderProblem            70  one letter's template failed; the letter is held with this reason
    ├── WireProblem              70  composed bytes that must not leave; the letter is held
    └── UsageProblem             64  the command was asked for something that is not there

Outcomes are values and never stand here: "no such user" is an ordinary result (see `outcome`). An exception means that
this run, this file, this row or this letter cannot go on. Every message says what, where and what to do. Codes are
those of sysexits(3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence


class MailerError(Exception):
    """Something that mailer knows how to explain. `str()` of it is for a person to read."""

    exit_code = 70


class ConfigurationError(MailerError):
    """The configuration cannot be used. All its problems are told at once, a line each: `file:line: path: problem`."""

    exit_code = 78

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class KeyProblem(MailerError):
    """A key is missing or differs. A new one is never made: it would make every signatory unknown, and send again."""

    exit_code = 78


class LedgerProblem(MailerError):
    """The ledger cannot be read or written just now. Nothing is sent without it; try again later."""

    exit_code = 75


class LedgerTooNew(LedgerProblem):
    """A newer mailer wrote this ledger. Use that version, or restore the copy that its upgrade kept."""

    exit_code = 78


class LedgerTooOld(LedgerProblem):
    """An older mailer wrote this ledger. `mailer upgrade` brings its tables up, and keeps a copy."""

    exit_code = 78


class LedgerDamaged(LedgerProblem):
    """The ledger's file is not sound. Stop, keep the file, and restore a backup beside the newer journal."""

    exit_code = 74


class RelayProblem(MailerError):
    """The relay cannot be used just now. Letters stay due and no try is counted."""

    exit_code = 75


class AccountRefused(RelayProblem):
    """The relay does not let our account in. Correct the password or ask the relay's keeper."""

    exit_code = 69


class CannotSend(MailerError):
    """Nothing can be sent until a person acts: approve, resume, or finish the configuration."""

    exit_code = 69


class CannotWrite(MailerError):
    """A folder or a file cannot be made or written. Mend its owner, its mode, or the room on the disk."""

    exit_code = 73


class UnreadableFile(MailerError):
    """A signature file that cannot be read at all; it goes whole to `rejected/` with this reason beside it."""

    exit_code = 65

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def unquoted(reason: str) -> str:
    """
    A reason without what it quotes of the file or its name, for ledger and log: without headings, the first line is a person.

    >>> unquoted("the columns are: «Jane» Doe», «IE». Put the heading there")
    'the columns are: «…». Put the heading there'
    """
    return re.sub(r"«.*»|(?<=\()\.[^)]*", lambda found: "…" if found[0][0] == "." else "«…»", reason, flags=re.DOTALL)


class BadRow(MailerError):
    """One row that cannot become a signature; `reason` is written beside it for the organiser."""

    exit_code = 65

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class RenderProblem(MailerError):
    """A template could not be rendered for one letter. That letter is held; correct the template."""


class WireProblem(MailerError):
    """Composed bytes that break a rule of the wire. The letter is held; this is a bug to report."""


class UsageProblem(MailerError):
    """The command asks for something that is not there: an unknown letter, campaign or folder."""

    exit_code = 64
