"""The distributions of this repository, and copies of them that can be built and published."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.readme import for_an_index

ROOT = Path(__file__).resolve().parents[1]
PLACES = ("plugins/*", "packages/*", "emulators")
"""Folders of the repository that hold a distribution each, besides the core's."""
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "*.egg-info", "dist")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One distribution."""

    folder: Path
    """The folder of its ``pyproject.toml``."""
    metadata: dict[str, Any]
    """The table ``[project]``."""

    @property
    def name(self) -> str:
        """Return the name of the distribution."""
        name: str = self.metadata["name"]
        return name

    def staged(self, into: Path, *, repository: str = "") -> Path:
        """Copy what is published into a folder, with working links in its README and valid URLs."""
        target = into / self.name
        if self.folder == ROOT:
            target.mkdir(parents=True)
            shutil.copytree(ROOT / "te_core", target / "te_core", ignore=_LEFT_OUT)
            for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"):
                shutil.copy2(ROOT / name, target / name)
        else:
            shutil.copytree(self.folder, target, ignore=_LEFT_OUT)
        readme = target / "README.md"
        where = "" if self.folder == ROOT else self.folder.relative_to(ROOT).as_posix()
        text = readme.read_text(encoding="utf-8")
        readme.write_text(for_an_index(text, folder=where, repository=repository), encoding="utf-8")
        if repository:
            with (target / "pyproject.toml").open("a", encoding="utf-8") as file:
                file.write(_urls(repository.rstrip("/"), where))
        return target


def projects() -> Iterator[Project]:
    """Find every distribution of the repository, the core first."""
    folders = [
        ROOT,
        *sorted(path.parent for place in PLACES for path in ROOT.glob(f"{place}/pyproject.toml")),
    ]
    for folder in folders:
        data = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        yield Project(folder=folder, metadata=data["project"])


def _urls(repository: str, where: str) -> str:
    readme = f"{where}/README.md".lstrip("/")
    return (
        "\n[project.urls]\n"
        f'Source = "{repository}"\n'
        f'Documentation = "{repository}/blob/main/{readme}"\n'
        f'Changes = "{repository}/blob/main/CHANGELOG.md"\n'
        f'Issues = "{repository}/issues"\n'
    )
