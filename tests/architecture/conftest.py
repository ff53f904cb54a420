"""Fixtures of the architecture tests: the modules of the core and of the repo's plugins, with their imports."""

from __future__ import annotations

import ast
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (
    *("te_core", "plugins", "emulators", "examples"),
    *("bench", "fuzz", "harness", "tools", "release", "tests"),
)
"""Every folder with source files."""


@dataclass(frozen=True)
class Module:
    """A source file, by its dotted name."""

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    @property
    def where(self) -> str:
        return str(self.path.relative_to(ROOT))

    def imports(self) -> Iterator[tuple[str, str]]:
        """Yield (module, name or "") of every import, anywhere in the file."""
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = package.rsplit(".", node.level - 1)[0] if node.level else ""
                module = ".".join(part for part in (base, node.module) if part)
                yield from ((module, alias.name) for alias in node.names)


def modules_below(folder: Path, package: str) -> list[Module]:
    """Read the modules of one package."""
    found = []
    for path in sorted((folder / package).rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found.append(Module(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def core() -> list[Module]:
    return modules_below(ROOT, "te_core")


@pytest.fixture(scope="session")
def plugins() -> dict[str, list[Module]]:
    """Return the modules of each plugin package: {"te_exchange_paper": [...]}."""
    packages = sorted(path for path in (ROOT / "plugins").glob("*/te_*") if path.is_dir())
    assert packages, "the repo has no plugins?"
    return {path.name: modules_below(path.parent, path.name) for path in packages}


@pytest.fixture(scope="session")
def everything() -> list[Module]:
    """Return every source file of the repository, tests and tools included."""
    return [module for folder in FOLDERS for module in modules_below(ROOT, folder)]


@pytest.fixture(scope="module")
def bare_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment that has every dependency, but none of our packages."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    library = folder / "library"
    library.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        ours = entry.name.lower().startswith(("te_", "_te_", "te-", "__editable__", "pip"))
        if not ours and entry.suffix != ".pth":
            (library / entry.name).symlink_to(entry)
    (site,) = (folder / "venv").glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{library}\n")
    return folder / "venv" / "bin" / "python"
