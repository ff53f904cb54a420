"""A plugin's folder: what its ``pyproject.toml`` says, and how a fresh process finds it without an installation."""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from te_core.errors import CommandFailed
from te_core.hookspecs import ENTRY_POINT_GROUP
from te_core.plugins.discovery import stated_level

OWN_PREFIX = "TE_"
"""Environment variables with this prefix are the operator's settings: no plugin under development sees them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginProject:
    """The project of a plugin."""

    folder: Path
    metadata: Mapping[str, Any]
    """The table ``[project]``."""
    points: Mapping[str, str]
    """The entry points: names to modules."""

    @property
    def name(self) -> str:
        """The distribution's name."""
        return str(self.metadata["name"])

    @property
    def version(self) -> str:
        """The version; 0 where the build works it out."""
        return str(self.metadata.get("version", "0"))

    @property
    def stated_level(self) -> str:
        """The quality level that the keywords state; empty if none."""
        return stated_level(map(str, self.metadata.get("keywords", ())))

    @property
    def root(self) -> Path:
        """The folder that packages are imported from."""
        source = self.folder / "src"
        return source if source.is_dir() else self.folder

    @property
    def packages(self) -> Sequence[Path]:
        """The packages (or single modules) that entry points name, as far as they are there."""
        tops = dict.fromkeys(module.partition(":")[0].partition(".")[0] for module in self.points.values())
        found = (path for top in tops for path in (self.root / top, self.root / f"{top}.py"))
        return [path for path in found if path.exists()]

    def announce(self, into: Path) -> None:
        """Write metadata as an installer does: a process with that folder on its path discovers the plugin.

        It says what ``pyproject.toml`` says now, whatever was installed before.
        """
        stem = self.name.replace("-", "_")
        for earlier in into.glob(f"{stem}-*.dist-info"):  # of another version: only one may be found
            shutil.rmtree(earlier)
        folder = into / f"{stem}-{self.version}.dist-info"
        folder.mkdir(parents=True, exist_ok=True)
        needs = [f"Requires-Dist: {need}" for need in self.metadata.get("dependencies", ())]
        head = ["Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}", *needs]
        points = [f"[{ENTRY_POINT_GROUP}]", *(f"{name} = {module}" for name, module in self.points.items())]
        (folder / "METADATA").write_text("\n".join(head) + "\n", encoding="utf-8")
        (folder / "entry_points.txt").write_text("\n".join(points) + "\n", encoding="utf-8")

    def environment(self, announced: Path) -> dict[str, str]:
        """Return the environment of a process that finds this plugin first, and no settings of the operator."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OWN_PREFIX)}
        paths = [str(announced), str(self.root), *filter(None, [inherited.get("PYTHONPATH", "")])]
        return {**inherited, "PYTHONPATH": os.pathsep.join(paths), "PYDANTIC_DISABLE_PLUGINS": "1"}


PYTHON = (sys.executable, "-P")
"""This Python, without the current folder on its path."""


def read_project(folder: Path) -> PluginProject:
    """Read a plugin's folder. Raises ``CommandFailed`` for what is none, with what is missing."""
    folder = folder.expanduser().absolute()
    file = folder / "pyproject.toml"
    example = "te plugin new source NAME writes a package that has one"
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CommandFailed(f"there is no {file}", next_step=example) from None
    except (OSError, ValueError) as error:
        raise CommandFailed(f"{file}: cannot be read: {error}") from None
    metadata = data.get("project")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise CommandFailed(f"{file}: has no [project] with a name", next_step=example)
    points = metadata.get("entry-points", {}).get(ENTRY_POINT_GROUP, {})
    if not points:
        raise CommandFailed(
            f'{file}: has no [project.entry-points."{ENTRY_POINT_GROUP}"]: the engine finds plugins by that',
            next_step='add it with a line such as: my_plugin = "my_package.plugin"',
        )
    return PluginProject(folder=folder, metadata=metadata, points=dict(points))
