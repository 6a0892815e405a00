"""
What is done by hand, on paper: call sheets for targets of phone, letters ready to be posted for targets of post.

    ledger (by hand), seal  >  PAPER (render)  >  one HTML file, for a browser to print  >  cli (print)

A page stands by itself: no script, nothing from a network, all that is given is text. A letter to be posted begins on a sheet
of its own, A4, its address where a window envelope shows it. In front stands a sheet for whoever does the work: which letters
these are, and how they are marked as done. The numbers of those that were written stand at the end of the file, so that just
these can be marked, whatever has come in since.

Nothing is queued, and printing changes no state: paper can be lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from itertools import groupby

from mailer import campaign as campaigns
from mailer import country, desk, signature
from mailer.campaign import Campaign, Channel, Target, worded
from mailer.desk import Desk
from mailer.errors import KeyProblem, RenderProblem
from mailer.render import written_date
from mailer.signature import Kind, Signature
from mailer.specimens import AWKWARD, FULL

CALL, POST = "call.txt.j2", "post.txt.j2"
_MARK = re.compile(r'<data id="mailer-letters" value="([a-z0-9-]+):([0-9, -]*)"></data></main></body></html>\s*$')
_STYLE = """
@page { size: A4; margin: 25mm 20mm 20mm 25mm; }
* { box-sizing: border-box; }
body { color: #000; font: 11pt/1.4 "Noto Sans", "DejaVu Sans", system-ui, sans-serif; margin: 0 auto; max-width: 165mm; }
section { overflow-wrap: anywhere; } section + section { break-before: page; }
h1 { font-size: 15pt; margin: 0 0 4mm; } h2 { font-size: 11pt; margin: 0 0 6mm; }
.envelope { height: 65mm; }
.from { border-bottom: .3pt solid #000; font-size: 8pt; height: 17mm; overflow: hidden; padding-bottom: 1mm; width: 85mm; }
.from { align-items: end; display: flex; }
.to { height: 32mm; overflow: hidden; padding-top: 2mm; white-space: pre-line; width: 85mm; }
.text { white-space: pre-wrap; }
table { border-collapse: collapse; width: 100%; } tr { break-inside: avoid; }
th, td { border-bottom: .3pt solid #888; padding: 1.5mm 2mm 1.5mm 0; text-align: start; vertical-align: top; }
th { white-space: nowrap; }
.box { border: .6pt solid #000; display: inline-block; height: 4mm; width: 4mm; }
.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font-size: 9pt; }
@media screen { body { padding: 8mm; } section { border-bottom: 1px dashed #888; margin-bottom: 10mm; padding-bottom: 10mm; } }
"""


@dataclass(frozen=True, slots=True)
class ByHand:
    """One letter that is for a person to do: its number, and who signed it."""

    letter: int
    signed: Signature


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A letter that cannot be put on paper, and why."""

    letter: int
    why: str


def opened(at: Desk, letter: int, sealed: bytes) -> ByHand | Unwritten:
    """A letter by hand with who signed it."""
    try:
        return ByHand(letter, signature.unpack(at.seal.open(sealed))[0])
    except KeyProblem as problem:
        return Unwritten(letter, str(problem))


def head(title: str) -> str:
    """The beginning of a file."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>\n"
    )


def end(campaign: str, letters: Sequence[int]) -> str:
    """The end of a file: which letters are in it, in the order of their numbers."""
    return f'<data id="mailer-letters" value="{campaign}:{ranges(letters)}"></data></main></body></html>\n'


def letters_in(text: str) -> tuple[str, list[int]] | None:
    """The campaign and the letters that the end of a file says are in it; None if it is none of these files."""
    found = _MARK.search(text)
    if found is None:
        return None
    numbers: list[int] = []
    for part in filter(None, (part.strip() for part in found[2].split(","))):
        first, _, last = part.partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            return None
        numbers += range(int(first), int(last or first) + 1)
    return found[1], numbers


def ranges(numbers: Sequence[int]) -> str:
    """
    Rising numbers in short.

    >>> ranges([1, 2, 3, 7, 9, 10])
    '1-3, 7, 9-10'
    """
    runs = groupby(enumerate(numbers), key=lambda one: one[1] - one[0])
    told = [[number for _, number in run] for _, run in runs]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in told)


def cover(at: Desk, target: Target, letters: Iterable[ByHand], count: int, marking: str) -> Iterator[str]:
    """The sheet in front of letters to be posted: how many, a box for each, and how they are marked; piece by piece."""
    name = worded(target.name, at.campaign.default_language)
    yield (
        f"<section><h1>{escape(name)}: {count} to post</h1>"
        f"<p>{escape(at.campaign.title)}. Each letter begins on a sheet of its own behind this one; this one stays here. When"
        f" they are in the post: <code>{escape(marking)}</code></p>"
        "<table><thead><tr><th></th><th>letter</th><th>signed by</th></tr></thead><tbody>"
    )
    yield from (_row(one, with_place=False) for one in letters)
    yield "</tbody></table></section>\n"


def sheet(at: Desk, target: Target, letters: Iterable[ByHand], count: int, marking: str, now: int) -> Iterator[str]:
    """
    A call sheet: whom to ring, when, what to say, and for whom; piece by piece.

    Raises:
        RenderProblem: its template cannot be filled in.
    """
    campaign, language = at.campaign, campaigns.language(at.campaign, target, "")
    said = script(at, target, language, count, now)
    name = escape(worded(target.name, campaign.default_language))
    yield f'<section><h1>{name}: <span class="number">{escape(target.phone)}</span></h1>'
    yield f"<h2>{escape('; '.join([campaign.title, *_hours(campaign, target, now)]))}</h2>"
    if said:
        yield f'<div class="text" lang="{escape(language)}" dir="auto">{escape(said)}</div>'
    yield f"<p>For these {count}. When it is done: <code>{escape(marking)}</code></p>"
    yield "<table><thead><tr><th></th><th>letter</th><th>signed by</th><th>where</th></tr></thead><tbody>"
    yield from (_row(one, with_place=True) for one in letters)
    yield "</tbody></table></section>\n"


def script(at: Desk, target: Target, language: str, count: int, now: int) -> str:
    """
    What to say on the telephone; empty where the campaign has no template for it.

    Raises:
        RenderProblem: it cannot be filled in.
    """
    name = f"{language}/{CALL}"
    if name not in at.renderer.sources:
        return ""
    values = {
        "target": {"name": worded(target.name, language), "form_of_address": worded(target.form_of_address, language)},
        "campaign": {"title": at.campaign.title, "name": at.campaign.sender.name},
        "today": written_date(datetime.fromtimestamp(now, target.timezone or UTC).date(), language),
        "count": count,
    }
    return at.renderer.text(name, values).strip("\n")


def letter(at: Desk, target: Target, one: ByHand, now: int) -> str:
    """
    A letter to be posted, on a sheet of its own: who writes and to whom for the envelope's window, then the text.

    Raises:
        RenderProblem: it cannot be written.
    """
    signed = one.signed
    language = campaigns.language(at.campaign, target, signed.language)
    subject, text = words(at, target, signed, language, now)
    home = _lines(signed.postal_address) or [signed.city, _country(signed, language)]
    heading = f"<h2 dir=auto>{escape(subject)}</h2>" if subject else ""
    return (
        f'<section lang="{escape(language)}"><div class="envelope">'
        f'<div class="from"><span dir="auto">{escape(" · ".join(filter(None, [_voice(signed), *home])))}</span></div>'
        f'<div class="to" dir="auto">{escape(worded(target.name, language))}\n{escape(target.postal_address)}</div></div>'
        f'{heading}<div class="text" dir="auto">{escape(text)}</div></section>\n'
    )


def words(at: Desk, target: Target, signed: Signature, language: str, now: int) -> tuple[str, str]:
    """
    The subject and the text of a letter to be posted: of its own template where there is one, else of the letter's.

    Raises:
        RenderProblem: it cannot be written.
    """
    at.renderer.warm()
    values = desk.values(at.campaign, target, signed, language, datetime.fromtimestamp(now, UTC))
    if (name := f"{language}/{POST}") in at.renderer.sources:
        return "", at.renderer.text(name, values).strip("\n")
    rendered = at.renderer.render(language, values)
    return rendered.subject, rendered.text.strip("\n")


def specimens(at: Desk, target: Target, most: int) -> Iterator[ByHand]:
    """Invented people: on a call sheet some, of letters to post one in each voice and language."""
    if target.channel is Channel.PHONE:
        people = [replace(FULL, name=name, kind=Kind.PERSON) for name in ("Jane Specimen", *AWKWARD.values())][:most]
        yield from (ByHand(number, signed) for number, signed in enumerate(people, 1))
        return
    wishes = [(language, kind) for language in at.campaign.languages for kind in Kind]
    for number, (language, kind) in enumerate(wishes, 1):
        yield ByHand(number, replace(FULL, language=language, kind=kind))


def check(at: Desk, signed: Signature, now: int) -> Iterator[str]:
    """What of the paper of a campaign cannot be written, for targets by hand, in each language, voice and, of calls, at all."""
    for target in at.campaign.targets.values():
        if target.channel is Channel.EMAIL:
            continue
        for language in at.campaign.languages:
            try:
                if target.channel is Channel.PHONE:
                    script(at, target, language, 2, now)
                    continue
                for kind in Kind:
                    words(at, target, replace(signed, kind=kind), language, now)
            except RenderProblem as problem:
                yield f"{target.id}, {language}: {problem}"


def _row(one: ByHand, *, with_place: bool) -> str:
    where = ", ".join(filter(None, (one.signed.city, _country(one.signed, "en"))))
    place = f'<td dir="auto">{escape(where)}</td>' if with_place else ""
    return (
        f'<tr><td><span class="box"></span></td><td class="number">{one.letter}</td>'
        f'<td dir="auto">{escape(_voice(one.signed))}</td>{place}</tr>'
    )


def _voice(signed: Signature) -> str:
    return signed.organisation if signed.kind is Kind.ORGANISATION else signed.name


def _country(signed: Signature, language: str) -> str:
    return country.name(signed.country, language) if signed.country else ""


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _hours(campaign: Campaign, target: Target, now: int) -> Iterator[str]:
    """What is known of the office's clock and hours."""
    if target.timezone:
        yield datetime.fromtimestamp(now, target.timezone).strftime("%H:%M there (UTC%z) when this was printed")
    if window := campaign.window:
        days = " ".join(_weekday(day) for day in sorted(window.days))
        yield f"it is open {days}, {_minute(window.first)} to {_minute(window.last)}"


def _minute(of_day: int) -> str:
    return f"{of_day // 60:02}:{of_day % 60:02}"


def _weekday(day: int) -> str:
    return ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day]
