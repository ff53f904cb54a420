"""Replaces files in one step, and syncs folders to disk."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


def replace_file(path: Path, text: str, *, mode: int, sync: bool = True) -> None:
    """Replace a file's content and mode in one step, so that a reader sees the old or the new content, never a part.

    ``sync``: wait until the content is on disk, so that it outlasts a power failure. Root keeps the file's owner, and
    gives a new file to the owner of its folder. Raise `OSError` if nothing could be changed.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as stream:  # noqa: PTH123 - it is a descriptor
            stream.write(text)
            stream.flush()
            _keep_owner(descriptor, path)
            if sync:
                os.fsync(descriptor)
        fresh.chmod(mode)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _keep_owner(descriptor: int, path: Path) -> None:
    """Make sure that ``sudo te`` leaves no file that the engine's own user cannot read."""
    if sys.platform != "win32" and os.geteuid() == 0:
        like = (path if path.exists() else path.parent).stat()
        with suppress(PermissionError):  # a container's root may not be allowed to
            os.fchown(descriptor, like.st_uid, like.st_gid)


def sync_folder(folder: Path) -> None:
    """Sync the entries of a folder to disk: which files it has, not their content."""
    if sys.platform == "win32":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
