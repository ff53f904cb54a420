"""Replaces files in one step, and syncs folders to disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def replace_file(path: Path, text: str, *, mode: int, sync: bool = True) -> None:
    """Replace a file's content and mode in one step, so that a reader sees the old or the new content, never a part.

    ``sync``: wait until the content is on disk, so that it outlasts a power failure. Raise `OSError` if nothing could
    be changed.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as stream:  # noqa: PTH123 - it is a descriptor
            stream.write(text)
            stream.flush()
            if sync:
                os.fsync(descriptor)
        fresh.chmod(mode)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Sync the entries of a folder to disk: which files it has, not their content."""
    if sys.platform == "win32":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
