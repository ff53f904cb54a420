"""The state folder: for its owner only, and refused if other users could put files into it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from te_core.errors import ConfigError


def prepare(state: Path, journal: Path) -> None:
    """Create the folder if it does not exist. Raise `ConfigError` if that fails, or if other users may write to it.

    A user who may write there can replace the journal, or make the engine write wherever a symbolic link leads.
    """
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        problem = next(_problems(state, journal), "")
    except OSError as error:
        problem = f"cannot create the state folder: {error.strerror}; choose another one with TE_HOME"
    if problem:
        raise ConfigError(problem, file=str(state))


def return_to_owner(state: Path) -> None:
    """Make another user the owner of what root created in that user's state folder; the engine could not write there.

    Commands and plugins create files there, whoever runs them. Files with further names are left: they may be others'.
    """
    if sys.platform == "win32" or os.geteuid() != 0 or not state.is_dir():
        return
    owner = state.stat()
    if owner.st_uid == 0:
        return
    for _, folders, files, handle in os.fwalk(state):
        for name in (*folders, *files):
            with suppress(OSError):  # it was removed meanwhile, or a container's root may not
                found = os.stat(name, dir_fd=handle, follow_symlinks=False)
                alone = stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
                if found.st_uid == 0 and alone:
                    os.chown(name, owner.st_uid, owner.st_gid, dir_fd=handle, follow_symlinks=False)


def _problems(state: Path, journal: Path) -> Iterator[str]:
    if sys.platform != "win32":
        found = state.stat()
        mode = stat.S_IMODE(found.st_mode)
        if found.st_uid != os.geteuid():
            user = os.geteuid()
            # Root must not lock the engine's own user out.
            otherwise = f", or: chown -R {user} {state}" if user else ""
            yield (
                f"the state folder belongs to user {found.st_uid}, but the engine runs as user {user}: "
                f"run it as that user{otherwise}"
            )
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            yield f"the state folder has mode {mode:04o}: others may write there; run: chmod go-w {state}"
    for link in [*_links(state), *([journal] if journal.is_symlink() else [])]:
        yield (
            f"{link} is a symbolic link to {link.readlink()}: the engine does not write through links; put the "
            "file itself there, or choose another folder with TE_HOME"
        )


_KINDS = ("accounts", "sources", "notifiers", "risk_checks", "observers")


def _links(state: Path) -> Iterator[Path]:
    """Return the links where the engine or a plugin writes: in the state folder and in those of the instances."""
    for folder in (state, *(state / kind for kind in _KINDS)):
        if folder.is_dir():
            yield from (Path(entry.path) for entry in os.scandir(folder) if entry.is_symlink())
