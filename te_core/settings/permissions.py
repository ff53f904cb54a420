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
            yield from _unreadable(file)


def unreadable(file: Path, error: OSError) -> str:
    """Describe why this user cannot read a file, with its owner if that is the reason."""
    found = _stat(file)
    text = f"{file}: cannot be read: {error.strerror}"
    if not isinstance(error, PermissionError) or sys.platform == "win32" or found is None:
        return text
    user, mode = os.geteuid(), stat.S_IMODE(found.st_mode)
    remedy = f"chmod u+r {file}" if found.st_uid == user else f"chown {user} {file}"
    return f"{text}; it belongs to user {found.st_uid} with mode {mode:04o}, and this is user {user}: run: {remedy}"


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
    user = _engines_user(file)
    if found.st_uid not in {0, user}:
        yield f"{file} belongs to user {found.st_uid}, who may change what is traded; run: chown {user} {file}"
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


def _unreadable(file: Path) -> Iterator[str]:
    """Return a warning about a file that root can read, but the user who runs the engine cannot."""
    found, user = _stat(file), _engines_user(file)
    if found is None or user == os.geteuid() or found.st_uid == user:
        return
    mode = stat.S_IMODE(found.st_mode)
    if not mode & (stat.S_IRGRP | stat.S_IROTH):
        yield (
            f"{file} belongs to user {found.st_uid} with mode {mode:04o}, so user {user}, who owns its folder, "
            f"cannot read it; run: chown {user} {file}"
        )


def _engines_user(file: Path) -> int:
    """Return the user who runs the engine: root checks the installation of the user who owns its folder."""
    user = os.geteuid()
    folder = _stat(file.parent) if user == 0 else None
    return user if folder is None else folder.st_uid


def _stat(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None
