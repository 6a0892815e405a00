"""
The files of a system-wide instance: what each should be, and how it is laid there.

The configuration is made once, for root to write and the service to read; from then on it is the administrator's. Units and
lines for cron are ours: a newer version replaces them, as long as they are as they were laid there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mailer.durable import sync_folder
from mailer.instance import bundled, files_of
from mailer.system.place import COMMAND, ETC, USER, VAR, Place, Step

_MEMORY = ETC / ".installed"
_UNITS = (".service", ".timer", ".path")


@dataclass(frozen=True, slots=True)
class File:
    """A file as it should stand; `is_ours`: a newer version may take its place as long as nobody has changed it."""

    path: Path
    content: bytes
    mode: int
    is_ours: bool


def files(place: Place) -> Iterator[File]:
    """Every file of it; the main one last, for with it the instance stands."""
    source = bundled()
    for origin in files_of(source / "templates", (".j2",)):
        yield File(ETC / origin.relative_to(source), origin.read_bytes(), 0o640, is_ours=False)
    config = source / "config"
    main = config / "mailer.yaml"
    for origin in files_of(config, (".yaml",)):
        if origin != main:
            yield File(ETC / origin.relative_to(config), origin.read_bytes(), 0o640, is_ours=False)
    yield from (File(path, _started(origin, place), 0o644, is_ours=True) for path, origin in _starters(place, config))
    yield File(ETC / main.name, _main(main.read_text(encoding="utf-8"), place.group), 0o640, is_ours=False)


def _starters(place: Place, config: Path) -> Iterator[tuple[Path, Path]]:
    """What starts it: units where there is systemd, else lines for cron."""
    if not place.has_systemd:
        yield from ((Path("etc/cron.d") / origin.name, origin) for origin in files_of(config / "cron", ("",)))
        return
    for origin in files_of(config / "systemd", (*_UNITS, ".conf")):
        folder = "systemd/system" if origin.suffix in _UNITS else origin.parent.name
        yield Path("etc") / folder / origin.name, origin


def _started(origin: Path, place: Place) -> bytes:
    return origin.read_bytes().replace(f"{COMMAND} --".encode(), f"{place.command} --".encode())


def _main(text: str, group: str) -> bytes:
    """
    The bundled main file, its paths those of a machine.

    >>> _main("spool: var/queue\\n# group: organisers\\n", "people").decode().splitlines()
    ['spool: /var/lib/mailer/queue', 'group: people']
    """
    text = re.sub(r"(?<![/\w])var/", f"/{VAR}/", text)
    text = re.sub(r"Paths count from the folder that holds\n# config/\.", f"Paths count from\n# /{ETC}.", text)
    return (re.sub(r"^# group: .*$", f"group: {group}", text, flags=re.MULTILINE) if group else text).encode()


def copies(place: Place, wanted: list[File], before: dict[str, str]) -> Iterator[Step]:
    """What is to be laid there; `before` is what was, each file with the hash of its content."""
    for file in wanted:
        standing = _standing(place, file)
        if standing is None:
            yield Step(f"write /{file.path}", partial(_lay, place, file))
        elif file.is_ours and standing != file.content and before.get(str(file.path)) == _sha256(standing):
            yield Step(f"replace /{file.path} by this version's", partial(_lay, place, file))


def is_changed(place: Place, file: File, before: dict[str, str]) -> bool:
    """Whether a file that we would lay there was changed by somebody; of the configuration that is what it is for."""
    standing = _standing(place, file)
    return file.is_ours and standing not in (None, file.content) and before.get(str(file.path)) != _sha256(standing or b"")


def _standing(place: Place, file: File) -> bytes | None:
    path = place.at(file.path)
    if not os.path.lexists(path):
        return None
    return path.read_bytes() if path.is_file() else b""


def _lay(place: Place, file: File) -> None:
    """Lay a file there, whole or not at all, and remember one that is ours."""
    _write(place, file.path, file.content, file.mode)
    if file.is_ours:
        remembered = laid(place) | {str(file.path): _sha256(file.content)}
        _write(place, _MEMORY, json.dumps(remembered, indent=1).encode(), 0o644)


def _is_private(path: Path) -> bool:
    """Whether something is for the service to read, and for nobody else but root."""
    return path.is_relative_to(ETC)


def _give(place: Place, path: Path, handle: int) -> None:
    """Give what is private to the service's group; where that is not known, or not ours to do, its modes decide."""
    group = place.number("group", USER)
    if _is_private(path) and group is not None and os.geteuid() == 0:
        os.chown(handle, -1, group)


def make_folders(place: Place, folder: Path) -> None:
    """Make a folder and those above it, for everybody to pass through, but for what is private."""
    place.root.mkdir(parents=True, exist_ok=True)
    for path in reversed([folder, *folder.parents]):
        if not place.at(path).is_dir():
            (place.root / path).mkdir()
            handle = os.open(place.root / path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                _give(place, path, handle)
                os.chmod(handle, 0o750 if _is_private(path) else 0o755)
            finally:
                os.close(handle)


def _write(place: Place, name: Path, content: bytes, mode: int) -> None:
    make_folders(place, name.parent)
    path = place.at(name)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        _give(place, name, file.fileno())
        os.chmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    sync_folder(path.parent)


def laid(place: Place) -> dict[str, str]:
    """What was laid there before, each file with the hash of its content."""
    try:
        found = json.loads(place.at(_MEMORY).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
