"""
YAML, taken as plain text.

    bytes > text > YAML_FILE > sheet > intake

A file is a list of mappings, one mapping, or several such documents. Every scalar stays the text that stands in the
file: Norway's NO is no boolean, 010 is no 8, a date no date; only ~, null and nothing are empty. No object is ever
built from a tag, because only the parser's events are used. Anchors and aliases are refused: nine lines of them can
unfold to a billion rows.

YAML 1.2, section 10.2 (JSON schema) minus its numbers and booleans. Lines are counted as the parser does, for which NEL
and U+2028 end one too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import yaml

from mailer.errors import UnreadableFile
from mailer.sheets.sheet import DEPTH, Row, Sheet, row
from mailer.sheets.text import whole

_MOST = 4 << 20  # bytes
_NODES = 200_000
_ADVICE = "write it as JSON Lines (.jsonl) or CSV, which may have any size"
_NULL = {"", "~", "null", "Null", "NULL"}
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def read(stream: BinaryIO, named: str = "") -> Sheet:
    """
    Read a YAML file; `named` is the encoding that its name says.

    Raises:
        UnreadableFile: wrong encoding, not YAML, too large, too deep, an anchor, or neither list nor mapping.
    """
    text, encoding = whole(stream, _MOST, _ADVICE, named)
    try:
        for _ in _events(text):  # to the end once: what is wrong has to be known before the first row
            pass
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}" if error.problem_mark else "the file"
        raise UnreadableFile(
            f"{where} is not YAML: {error.problem}; a text that begins with a special sign or holds a colon needs "
            "quotation marks"
        ) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise UnreadableFile(f"the file is not YAML: {error}") from None
    return Sheet(None, _rows(_events(text)), encoding, "yaml")


def _events(text: str) -> Iterator[Any]:
    """Hand on the parser's events of nodes, as long as they are harmless."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        depth += _opens(event)
        if number > _NODES:
            raise UnreadableFile(f"the file holds more than {_NODES} values: {_ADVICE}")
        if depth > DEPTH:
            raise UnreadableFile(f"line {_line(event)} is nested more than {DEPTH} lists and mappings deep")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise UnreadableFile(
                f"line {_line(event)} holds an anchor (&) or an alias (*), which are not read: write it out; "
                "a text that begins with one of these signs needs quotation marks"
            )
        if isinstance(event, yaml.ScalarEvent) and depth == 0 and _scalar(event):
            raise UnreadableFile(f"line {_line(event)} is neither a list of signatures nor one signature")
        if isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            yield event


def _rows(events: Iterator[Any]) -> Iterator[Row]:
    """Read the rows of all documents; the root of each is a list of mappings or one mapping."""
    in_list = False
    for event in events:
        if isinstance(event, yaml.SequenceStartEvent) and not in_list:
            in_list = True
        elif isinstance(event, yaml.SequenceEndEvent):
            in_list = False
        elif made := _row(event, events):
            yield made


def _row(event: Any, events: Iterator[Any]) -> Row | None:
    """Read the node that begins here as a row; an empty one is blank."""
    if not isinstance(event, yaml.MappingStartEvent):
        text = _value(event, events)
        return None if text == "" else row(_line(event), [("", text or "")], "a mapping is needed here: name: …, email: …")
    pairs, problem = [], None
    while not isinstance(inner := next(events), yaml.MappingEndEvent):
        key = _value(inner, events)
        pairs.append((key or "", _value(next(events), events)))
        problem = "a list or a mapping stands where a heading is needed" if key is None else problem
    return row(_line(event), pairs, problem)


def _value(event: Any, events: Iterator[Any]) -> str | None:
    """Read a scalar's text; None for a list or a mapping, which is passed over."""
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    depth = 1
    while depth:
        depth += _opens(next(events))
    return None


def _scalar(event: Any) -> str:
    is_plain = event.implicit[0]
    return "" if is_plain and event.value in _NULL else str(event.value)


def _opens(event: Any) -> int:
    return isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
