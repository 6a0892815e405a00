"""The one step of durability that is easy to forget: a file's name is in its folder, and the folder has to be synced too."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """
    Make durable what was made, renamed or removed in a folder (fsync(2)); what is in the files is not meant.

    Raises:
        OSError: the disk failed; nothing is known to be durable.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
