"""Every distribution of the repo builds and installs on its own, with plain pip."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from te_core import __version__


@pytest.fixture(scope="session")
def projects(root: Path) -> dict[str, Path]:
    """Give the folder of each distribution, each one after those of ours that it needs: the core's first."""
    folders = [root, *sorted(path.parent for path in root.glob("plugins/*/pyproject.toml"))]
    by_name = {project(folder)["name"]: folder for folder in folders}
    needs = {
        name: {Requirement(text).name for text in project(folder)["dependencies"]} & set(by_name)
        for name, folder in by_name.items()
    }
    return {name: by_name[name] for name in TopologicalSorter(needs).static_order()}


def project(folder: Path) -> dict[str, Any]:
    metadata: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    return metadata


def pip(*arguments: str, python: Path | None = None) -> None:
    command = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "-q"]
    command += ["--python", str(python)] if python else []
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheels(
    projects: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, zipfile.ZipFile]]:
    out = tmp_path_factory.mktemp("wheels")
    folders = [str(folder) for folder in projects.values()]
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "-w", str(out), *folders)
    built = {
        path.name.partition("-")[0].replace("_", "-"): zipfile.ZipFile(path) for path in out.glob("*.whl")
    }
    assert set(built) == set(projects)
    yield built
    for wheel in built.values():
        wheel.close()


def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def requirements(wheel: zipfile.ZipFile) -> dict[str, Requirement]:
    stated = metadata(wheel).get_all("Requires-Dist", [])
    return {requirement.name: requirement for requirement in map(Requirement, stated)}


def test_each_plugin_wheel_asks_for_the_core_that_it_was_made_for(wheels: dict[str, zipfile.ZipFile]) -> None:
    for name, wheel in wheels.items():
        if name == "te-core":
            continue
        asked = requirements(wheel)["te-core"].specifier
        assert any(part.operator == ">=" for part in asked), f"{name} states no lower bound: {asked}"
        assert Version(__version__) in asked, f"{name} refuses the core of this repo: {asked}"
        assert Version("99.0") not in asked, f"{name} claims to work with every future core: {asked}"


def test_each_plugin_wheel_registers_its_name_and_ships_its_package(
    wheels: dict[str, zipfile.ZipFile], projects: dict[str, Path]
) -> None:
    seen: dict[str, str] = {}
    for name, wheel in wheels.items():
        if name == "te-core":
            continue
        points = project(projects[name])["entry-points"]["trade_engine.plugins"]
        for entry, module in points.items():
            assert entry not in seen, f"{name} and {seen[entry]} both call themselves {entry}"
            seen[entry] = name
            assert f"{module.replace('.', '/')}.py" in wheel.namelist()
        assert not [path for path in wheel.namelist() if path.startswith(("tests/", "te_core/"))]


def test_the_core_wheel_ships_all_that_it_reads(wheels: dict[str, zipfile.ZipFile], root: Path) -> None:
    there = set(wheels["te-core"].namelist())
    needed = {
        str(path.relative_to(root))
        for path in (root / "te_core").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert needed <= there, f"missing in the wheel: {sorted(needed - there)}"
    assert "te_core/py.typed" in there
    assert any(path.startswith("te_core/journal/migrations/") for path in there)


def test_the_core_has_one_version(wheels: dict[str, zipfile.ZipFile]) -> None:
    assert metadata(wheels["te-core"])["Version"] == __version__


def test_every_declared_dependency_is_pinned_with_a_hash(
    wheels: dict[str, zipfile.ZipFile], root: Path
) -> None:
    lines = (root / "requirements" / "run.txt").read_text(encoding="utf-8").splitlines()
    starts = [index for index, line in enumerate(lines) if "==" in line and not line.startswith((" ", "#"))]
    pinned = {}
    for index in starts:
        name, _, version = lines[index].partition(";")[0].rstrip(" \\").partition("==")
        pinned[name] = version.strip()
        assert lines[index + 1].strip().startswith("--hash=sha256:"), f"{name} has no hash"
    for wheel_name, wheel in wheels.items():
        for name, requirement in requirements(wheel).items():
            if name in wheels or requirement.marker is not None:
                continue
            assert name in pinned, f"{wheel_name} needs {name}: run `make lock`"
            assert requirement.specifier.contains(pinned[name]), (
                f"{name}=={pinned[name]}, wanted {requirement}"
            )


def test_editable_installs_give_the_command_and_the_plugins(
    bare_environment: Path, projects: dict[str, Path]
) -> None:
    core, plugin, *rest = map(str, projects.values())
    for folders in ([core], [plugin], rest):  # the rest at once: each start of pip costs a second
        editable = [word for folder in folders for word in ("-e", folder)]
        pip("install", "--no-index", "--no-build-isolation", *editable, python=bare_environment)
    code = (
        "from importlib.metadata import entry_points as e;"
        "print(*sorted({p.dist.name for p in e(group='trade_engine.plugins')}))"
    )
    listed = subprocess.run([bare_environment, "-c", code], capture_output=True, text=True, check=True)
    assert set(listed.stdout.split()) == set(projects) - {"te-core"}
    shown = subprocess.run(
        [str(bare_environment.with_name("te")), "--help"], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr


def test_every_plugin_is_type_checked_under_its_own_name(projects: dict[str, Path], root: Path) -> None:
    """mypy finds a plugin's package through its folder in ``mypy_path``."""
    config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    places = {path.replace("$MYPY_CONFIG_FILE_DIR", str(root)) for path in config["mypy_path"]}
    assert places >= {str(folder) for folder in projects.values()}
