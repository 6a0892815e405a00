"""
What the files of a configuration look like: a worker that sees it change reads them again.

Told by each file's name, number and time of change alone; none is opened, and what stands in one is never kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

Fingerprint = frozenset[tuple[str, int, int]]


def fingerprint(path: Path, beside: Iterable[Path] = ()) -> Fingerprint:
    """
    What the files of the configuration, whose main file is `path`, its templates, and the files `beside` them that it names
    (the relay's password, its authorities) look like now.

    A disk that does not say is a change too: nothing is sent by what may not be there any more.
    """
    named = (path.parent, root_of(path) / "templates")
    try:
        # A folder may be a link to a release, as `templates/kazakhstan`; what walks through a tree does not follow one.
        linked = [at for folder in named if folder.is_dir() for at in folder.iterdir() if at.is_symlink() and at.is_dir()]
        files = [file for folder in (*named, *linked) for file in folder.rglob("*") if file.suffix in {".yaml", ".j2"}]
    except OSError as problem:
        return frozenset({_unknown(str(problem.filename))})
    return look(file for file in files if not file.name.startswith(".")) | look(beside)


def look(files: Iterable[Path]) -> Fingerprint:
    """What these files look like now; one that is not there is left out."""
    found = set()
    for file in files:
        try:
            status = file.stat()
        except FileNotFoundError:  # an editor that saves by renaming
            continue
        except OSError:
            found.add(_unknown(str(file)))
        else:
            found.add((str(file), status.st_mtime_ns, status.st_ino))
    return frozenset(found)


def _unknown(file: str) -> tuple[str, int, int]:
    return file, 0, 0


def root_of(path: Path) -> Path:
    """The folder from which relative paths count, of the main file `path`."""
    return path.parent.parent if path.parent.name == "config" else path.parent
