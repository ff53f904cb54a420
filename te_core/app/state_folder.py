"""The state folder: created for its owner only, and refused if other users could put files into it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
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


def _problems(state: Path, journal: Path) -> Iterator[str]:
    if sys.platform != "win32":
        found = state.stat()
        mode = stat.S_IMODE(found.st_mode)
        if found.st_uid != os.geteuid():
            yield (
                f"the state folder belongs to user {found.st_uid}, but the engine runs as user {os.geteuid()}: "
                f"run it as that user, or: chown -R {os.geteuid()} {state}"
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
