"""
The configuration's files as JSON Schema (2020-12), for editors: made of the declarations that the readers use.

It never refuses what `load` takes: a number may stand in quotes, a key without a value is an absent one. What concerns several
files, or the machine (a language without templates, a group that is not there), only `load` can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from mailer.config import campaign_keys, directories, main_file
from mailer.config.keys import Declared, Key, Named, Part, Rows
from mailer.config.values import Shape, shape_of

FILES: Mapping[str, Part | Rows] = {
    "main": main_file.FILE,
    "campaign": campaign_keys.FILE,
    "directory": directories.MISSIONS,
}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def of(file: str) -> dict[str, Any]:
    """The schema of one of FILES."""
    declared = FILES[file]
    return {"$schema": _DIALECT, "title": declared.name, "description": declared.says, **_value(declared)}


def default_of(key: Key[Any, Any]) -> str | float | None:
    """What stands for a key that is absent, as it would be written; None where there is nothing, or other keys decide."""
    if isinstance(key.default, StrEnum):
        return str(key.default)
    if isinstance(key.default, float) and key.default.is_integer():
        return int(key.default)
    return key.default if isinstance(key.default, int | float | str) and key.default != "" else None


def _declared(declared: Declared) -> dict[str, Any]:
    """A key's schema. One that may be absent may also be empty."""
    told: dict[str, Any] = {"description": declared.says}
    if isinstance(declared, Key) and (default := default_of(declared)) is not None:
        told["default"] = default
    value = _value(declared)
    if declared.required:
        return told | value
    choices: list[Any] = value.pop("anyOf") if set(value) == {"anyOf"} else [value]
    return told | {"anyOf": [*choices, {"enum": [None, "", [], {}]}]}


def _value(declared: Declared) -> dict[str, Any]:
    """What a key's value may be, if it has one."""
    match declared:
        case Key():
            one = _text(declared.shape or shape_of(declared.means))
            return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]} if declared.several else one
        case Rows():
            row, bound = _value(declared.row), {} if declared.most is None else {"maxItems": declared.most}
            rows = {"type": "array", "items": row, **bound}
            return {"anyOf": [row, rows]} if declared.or_one else rows
        case Part() | Named() if declared.instead:
            return {"anyOf": [_text(shape_of(declared.instead)), _mapping(declared)]}
        case Part() | Named():
            return _mapping(declared)


def _mapping(declared: Part | Named) -> dict[str, Any]:
    if isinstance(declared, Named):
        named = {"propertyNames": _text(declared.names), "additionalProperties": _declared(declared.of)}
        return {"type": "object", **named, **({"minProperties": 1} if declared.required else {})}
    needed = {"required": declared.needed} if declared.needed else {}
    properties = {key.name: _declared(key) for key in declared.keys}
    return {"type": "object", "properties": properties, "additionalProperties": False, **needed, **declared.also}


def _text(shape: Shape) -> dict[str, Any]:
    """A shape whose pattern is about the whole text, but for white space around it; a text that is there is not empty."""
    whole = {"pattern": rf"^\s*(?:{shape['pattern']})\s*$"} if "pattern" in shape else {}
    return {**shape, **whole} if "enum" in shape else {**shape, **whole, "minLength": 1}
