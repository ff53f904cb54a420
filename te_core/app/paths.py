"""Which files a command uses, according to ``--settings``, ``TE_SETTINGS`` and ``TE_HOME``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer


@dataclass(frozen=True, slots=True)
class Paths:
    """The settings file and the state folder, as absolute paths."""

    settings: Path
    state: Path

    @classmethod
    def find(cls, given: Path | None, env: Mapping[str, str] = os.environ) -> Paths:
        """Return the paths of a command.

        Settings: the option, or ``TE_SETTINGS``, or in ``TE_HOME``, or in the current folder. State: in ``TE_HOME``, or
        next to the settings.
        """
        home = env.get("TE_HOME")
        settings = given or Path(env.get("TE_SETTINGS") or Path(home or ".") / "settings.toml")
        settings = settings.expanduser().absolute()
        folder = Path(home).expanduser().absolute() if home else settings.parent
        return cls(settings, folder / "state")

    @classmethod
    def of(cls, context: typer.Context) -> Paths:
        """Return the paths that the command line selected."""
        paths = context.find_root().obj
        assert isinstance(paths, cls)
        return paths
