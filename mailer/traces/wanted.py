"""
Whose addresses stand in a text: any number of people, in one way through it.

    erasure  >  WANTED  <  the texts of a file

An address is looked for by its @: what follows is some wanted domain, what goes before it is a local part of that domain's, by
the campaigns' rules of which addresses are one person's (`address.Policy`). An address that only ends or begins like a wanted
one is another person's; letters of another script that touch it are no part of it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

from mailer import address
from mailer.address import PLAIN, Address, Policy
from mailer.traces.unwrapped import folded

_LOCAL = 160  # characters before the @ that are looked at: 64, and as many again for dots that do not count
_OF_GMAIL = ("gmail.com", "googlemail.com")
_RUN = re.compile(r"[a-z0-9.#$&'*+/=?^_`{|}~-]*\Z")
_GLUED = re.compile(r"[a-z0-9_][.+-]?\Z")  # what stands before it belongs to the same local part
_GOES_ON = re.compile(r"-*[a-z0-9]")  # and what follows, to the same domain


@dataclass(frozen=True, slots=True)
class _Local:
    """A local part that is somebody's, `number`, under a policy."""

    number: int
    text: str
    policy: Policy

    def ends(self, before: str) -> bool:
        """Whether the text before an @ ends with it."""
        run = _RUN.search(before)
        begin = before[: run.start()] if run else before
        run_text = run[0] if run else ""
        cuts = [len(run_text)]
        if self.policy.is_same_tagged:
            cuts += [at for at, char in enumerate(run_text) if char == "+"]
        for cut in cuts:
            local = run_text[:cut]
            if self.policy.is_same_dotted:
                local = local.replace(".", "")
            if local.endswith(self.text) and not _GLUED.search(begin + local[: -len(self.text)]):
                return True
        return False


class Wanted:
    """The people who are looked for, each under a number."""

    def __init__(self, people: Mapping[int, Address], policies: Collection[Policy] = ()) -> None:
        """`policies`: the rules by which campaigns know people again; whoever is one person by any of them is found."""
        found: defaultdict[str, dict[_Local, None]] = defaultdict(dict)
        for number, who in people.items():
            for policy in {PLAIN, *policies}:
                local, _, domain = address.known_by(who, policy).rpartition("@")
                is_dotted = policy.is_same_dotted and domain in _OF_GMAIL
                rule = Policy(is_same_tagged=policy.is_same_tagged, is_same_dotted=is_dotted)
                for form in _OF_GMAIL if is_dotted else (domain, _in_own_script(domain)):
                    found[form][_Local(number, local, rule)] = None
        self._locals = {domain: tuple(each) for domain, each in found.items()}
        self._lengths = sorted({len(domain) for domain in found})
        self.has_own_script = any(not domain.isascii() for domain in found)

    def in_text(self, text: str) -> set[int]:
        """
        Who stands in a folded text.

        >>> wanted = Wanted({7: address.parse("Doe@Example.org")}, [Policy(is_same_tagged=True)])
        >>> [
        ...     wanted.in_text(text)
        ...     for text in ("<doe@example.org>", "doe+x@example.org.", "john.doe@example.org", "doe@example.organ")
        ... ]
        [{7}, {7}, set(), set()]
        """
        found: set[int] = set()
        if "@" not in text:
            return found
        for before, after in pairwise(text.split("@")):
            for length in self._lengths:
                if (locals_ := self._locals.get(after[:length])) and not _GOES_ON.match(after, length):
                    head = before[-_LOCAL:]
                    found.update(one.number for one in locals_ if one.number not in found and one.ends(head))
        return found


def _in_own_script(domain: str) -> str:
    """A domain as it is read, folded: its A-labels decoded (RFC 3492)."""
    labels = []
    for label in domain.split("."):
        try:
            labels.append(label[4:].encode().decode("punycode") if label.startswith("xn--") else label)
        except UnicodeError:
            labels.append(label)
    return folded(".".join(labels))
