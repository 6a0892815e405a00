"""
Letters as a person reads them: on a terminal, and side by side on one page in a browser.

    specimens  >  PREVIEW  >  cli (preview)

The page stands by itself: no script, nothing from a network, and the HTML of a letter in a frame that may do nothing. What
stands in a letter is text here, whatever it looks like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header, make_header
from html import escape
from itertools import groupby

from mailer.specimens import Specimen

_SHOWN = ("From", "Reply-To", "To", "Cc", "Date", "Subject")
_STYLE = """
:root { color-scheme: light dark; --line: #8886; }
body { font: 1rem/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 110rem; padding: 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; border-top: 1px solid var(--line); padding-top: 1rem; }
h3 { font-size: 1rem; margin: 0 0 .5rem; }
.side { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); }
article { border: 1px solid var(--line); border-radius: .4rem; padding: .8rem 1rem; min-width: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 .8rem; margin: 0 0 .6rem; font-size: .9rem; }
dt { opacity: .75; } dd { margin: 0; overflow-wrap: anywhere; }
pre { border-top: 1px solid var(--line); font: inherit; margin: 0; padding-top: .6rem; }
pre { overflow-wrap: anywhere; white-space: pre-wrap; }
iframe { background: #fff; border: 1px solid var(--line); height: 32rem; width: 100%; }
.problem { border: 2px solid #c33; } summary { cursor: pointer; margin: 1rem 0; }
@media print { article { break-inside: avoid; } .side { display: block; } article + article { margin-top: 1rem; } }
"""


@dataclass(frozen=True, slots=True)
class Read:
    """A letter as a mail program shows it: the headers that people read, the text, and the HTML where there is some."""

    headers: tuple[tuple[str, str], ...]
    text: str
    html: str = ""


def read(wire: bytes) -> Read:
    """Read a letter back out of its bytes."""
    # The older parser on purpose: the newer one leaves spaces between the encoded words of a name (CPython 128110).
    parsed = message_from_bytes(wire)
    headers = [(name, str(make_header(decode_header(_unfolded(parsed[name]))))) for name in _SHOWN if parsed[name]]
    bodies = [part.get_payload(decode=True) for part in parsed.walk() if not part.is_multipart()]
    text, *html = [body.decode("utf-8") if isinstance(body, bytes) else "" for body in bodies]
    return Read(tuple(headers), unflowed(text), html[0].replace("\r\n", "\n") if html else "")


def readable(wire: bytes) -> str:
    """A letter as one text."""
    letter = read(wire)
    beside = ["The same in HTML:\n", letter.html] if letter.html else []
    return "\n".join([*(f"{name}: {value}" for name, value in letter.headers), "", letter.text, "", *beside])


def page(title: str, standing: str, letters: Sequence[Specimen], awkward: Sequence[Specimen]) -> str:
    """
    All letters on one HTML page, those to one target beside each other, and folded below them those from awkward names.

    `standing` says whether they are approved. A letter that cannot be written stands there with its reason.
    """
    parts = [f"<h1>{escape(title)}</h1><p>{escape(standing)}</p>"]
    folded = {target: list(group) for target, group in groupby(awkward, key=lambda one: one.target)}
    for target, group in groupby(letters, key=lambda one: one.target):
        parts.append(f"<section><h2>{escape(target)}</h2><div class=side>{''.join(map(_article, group))}</div>")
        if more := folded.get(target):
            parts.append(f"<details><summary>From awkward names ({len(more)})</summary>")
            parts.append(f"<div class=side>{''.join(map(_article, more))}</div></details>")
        parts.append("</section>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _article(one: Specimen) -> str:
    told = ", ".join(filter(None, (one.language, str(one.voice), one.awkward)))
    if one.problem:
        return f'<article class="problem"><h3>{escape(told)}</h3><p>It cannot be written: {escape(one.problem)}</p></article>'
    letter = read(one.wire)
    heads = "".join(f'<dt>{name}</dt><dd dir="auto">{escape(value)}</dd>' for name, value in letter.headers)
    text = f'<pre lang="{escape(one.language)}" dir="auto">{escape(letter.text)}</pre>'
    if letter.html:
        text += f'<h4>The same in HTML</h4><iframe sandbox="" title="{escape(told)}" srcdoc="{escape(letter.html)}"></iframe>'
    return f"<article><h3>{escape(told)}</h3><dl>{heads}</dl>{text}</article>"


def _unfolded(value: str) -> str:
    return "".join(value.splitlines())


def unflowed(text: str) -> str:
    r"""
    A format=flowed text as it was before it was wrapped (RFC 3676 4.2).

    >>> unflowed("one \r\ntwo\r\n  three\r\n")
    'one two\n three'
    """
    lines: list[str] = []
    is_open = False
    for line in text.replace("\r\n", "\n").removesuffix("\n").split("\n"):
        bare = line.removeprefix(" ")
        if is_open:
            lines[-1] += bare
        else:
            lines.append(bare)
        is_open = line.endswith(" ")
    return "\n".join(lines)
