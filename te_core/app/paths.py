"""Which files a command is about: ``--settings``, ``TE_SETTINGS`` and ``TE_HOME`` decide."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer


@dataclass(frozen=True, slots=True)
class Paths:
    """Both paths are absolute."""

    settings: Path
    state: Path

    @classmethod
    def find(cls, given: Path | None, env: Mapping[str, str] = os.environ) -> Paths:
        """Settings: the option, else ``TE_SETTINGS``, else in ``TE_HOME``, else here. State: ``TE_HOME`` or beside."""
        home = env.get("TE_HOME")
        settings = given or Path(env.get("TE_SETTINGS") or Path(home or ".") / "settings.toml")
        settings = settings.expanduser().absolute()
        folder = Path(home).expanduser().absolute() if home else settings.parent
        return cls(settings, folder / "state")

    @classmethod
    def of(cls, context: typer.Context) -> Paths:
        """Give the place that the command line chose."""
        paths = context.find_root().obj
        assert isinstance(paths, cls)
        return paths
