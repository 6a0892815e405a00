"""A configuration file as an editor sees it: YAML 1.2 by its core schema, and what the JSON Schema says of it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from mailer.config import schema

_CORE = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
}


def _whole(written: str) -> int:
    return int(written, {"0o": 8, "0x": 16}.get(written[:2], 10))  # "010" is ten in YAML 1.2


class Core(yaml.CSafeLoader):
    """Scalars of YAML 1.2: NO is Norway, a day is a text, 010 is ten."""


Core.yaml_implicit_resolvers = {}
for _kind, _pattern in _CORE.items():
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern})\\Z"), None)
Core.add_constructor("tag:yaml.org,2002:int", lambda _loader, node: _whole(str(node.value)))
Core.add_constructor("tag:yaml.org,2002:float", lambda _loader, node: float(str(node.value)))


def read(path: Path) -> Any:
    """What an editor takes the file for."""
    return yaml.load(path.read_text(encoding="utf-8"), Core) or {}


def complaints(path: Path) -> list[str]:
    """What an editor underlines in one of an instance's files, by the schema that goes with it."""
    in_folder = {"campaigns": "campaign"}.get(path.parent.name)
    file = in_folder or ("main" if path.name == "mailer.yaml" else "directory")
    found = _validator(file).iter_errors(read(path))
    return [f"{problem.json_path}: {problem.message}" for problem in found]


@cache
def _validator(file: str) -> Draft202012Validator:
    return Draft202012Validator(schema.of(file))
