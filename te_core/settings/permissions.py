"""Warnings about other users who may read secrets or change settings, for ``te check`` and each start."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path


def file_warnings(settings: Path, secrets: Path) -> Iterator[str]:
    """Return a warning for each thing that file modes and owners let other users do. Windows is not checked."""
    if sys.platform != "win32":
        yield from _readable(secrets)
        for file in (settings, secrets):
            yield from _changeable(file)


def _readable(secrets: Path) -> Iterator[str]:
    if (found := _stat(secrets)) and (mode := stat.S_IMODE(found.st_mode)) & 0o077:
        yield f"{secrets} has mode {mode:04o}: others on this machine may read it; run: chmod 600 {secrets}"


def _changeable(file: Path) -> Iterator[str]:
    found = _stat(file)
    if found is None:
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_IWOTH:
        yield (
            f"{file} has mode {mode:04o}: any user of this machine may change what is traded; run: chmod o-w {file}"
        )
    if sys.platform != "win32" and found.st_uid not in {0, os.geteuid()}:
        yield (
            f"{file} belongs to user {found.st_uid}, who may change what is traded; run: chown {os.geteuid()} {file}"
        )
    folder = _stat(file.parent)
    if folder and folder.st_mode & stat.S_IWOTH and not folder.st_mode & stat.S_ISVTX:
        yield (
            f"{file.parent} has mode {stat.S_IMODE(folder.st_mode):04o}: any user of this machine may replace "
            f"{file.name}; run: chmod o-w {file.parent}"
        )
    if not found.st_nlink:
        yield (
            f"{file} was replaced behind its mount and this process still sees the old file: edits no longer "
            "arrive; mount the folder instead of the file, and restart"
        )


def _stat(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None
