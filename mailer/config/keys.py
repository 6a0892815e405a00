"""
What may stand in a configuration file: each key with its meaning, its default and a sentence on it, declared once.

    HOST = Key("host", host, "", "The name or IP address of the mail server.")
    RELAY = Part("relay", "Where letters are handed over.", (MODE, HOST, ...))

The readers (`main_file`, `campaigns`, `targets`, ...) declare the keys that they read and ask `section` for them; the JSON
Schema (`schema`) and mailer.yaml(5) are made of the same declarations. What keys ask of each other is the readers' matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from mailer.config.values import Shape

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Key(Generic[T, D]):
    """
    One text, or (`several`) one or a list of them. `default` is its meaning where it is absent; one that depends on other keys
    is told in `says`. `shape` is JSON Schema where `means` has none of its own.
    """

    name: str
    means: Callable[[str], T]
    default: D
    says: str
    required: bool = False
    several: bool = False
    shape: Shape | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A mapping with these keys, or (`instead`) a text. `also` is JSON Schema of what its keys ask of each other."""

    name: str
    says: str
    keys: tuple[Declared, ...]
    required: bool = False
    instead: Callable[[str], Any] | None = None
    also: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needed(self) -> list[str]:
        """The keys that must have a value."""
        return [key.name for key in self.keys if key.required]


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of mappings, or (`or_one`) one of them; of `most` at most."""

    name: str
    says: str
    row: Part
    required: bool = False
    or_one: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A mapping whose keys are names of this shape, each with what `of` says; or a text in its place."""

    name: str
    says: str
    names: Shape
    of: Key[Any, Any] | Part
    required: bool = False
    instead: Callable[[str], Any] | None = None


Declared: TypeAlias = Key[Any, Any] | Part | Rows | Named
