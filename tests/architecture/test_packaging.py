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

from release.projects import PLACES, Project
from release.readme import LINK, for_an_index
from te_core import __version__

META = "trade-engine"
"""The distribution without code that installs the others."""
KIT = "te-emulators"
"""What plugin authors test with; the engine does not need it."""


@pytest.fixture(scope="session")
def projects(root: Path) -> dict[str, Path]:
    """Return the folder of each distribution, sorted so that dependencies come first, the core's at the start."""
    found = (path.parent for place in PLACES for path in root.glob(f"{place}/pyproject.toml"))
    folders = [root, *sorted(found)]
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
    """Return a wheel's requirements by name; those repeated for an extra are last."""
    stated = metadata(wheel).get_all("Requires-Dist", [])
    return {requirement.name: requirement for requirement in map(Requirement, reversed(stated))}


def test_each_plugin_wheel_requires_the_core_it_was_made_for(wheels: dict[str, zipfile.ZipFile]) -> None:
    for name, wheel in wheels.items():
        if name == "te-core":
            continue
        asked = requirements(wheel)["te-core"].specifier
        assert any(part.operator == ">=" for part in asked), f"{name} states no lower bound: {asked}"
        assert Version(__version__) in asked, f"{name} refuses the core of this repo: {asked}"
        assert Version("99.0") not in asked, f"{name} claims to work with every future core: {asked}"


def test_each_plugin_wheel_ships_and_registers_its_package(
    wheels: dict[str, zipfile.ZipFile], projects: dict[str, Path]
) -> None:
    seen: dict[str, str] = {}
    for name, wheel in wheels.items():
        if name in {"te-core", META, KIT}:
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
    core, plugin, *rest = [str(folder) for name, folder in projects.items() if name != META]
    for folders in ([core], [plugin], rest):  # the rest at once: each start of pip costs a second
        editable = [word for folder in folders for word in ("-e", folder)]
        pip("install", "--no-index", "--no-build-isolation", *editable, python=bare_environment)
    code = (
        "from importlib.metadata import entry_points as e;"
        "print(*sorted({p.dist.name for p in e(group='trade_engine.plugins')}))"
    )
    listed = subprocess.run([bare_environment, "-c", code], capture_output=True, text=True, check=True)
    assert set(listed.stdout.split()) == set(projects) - {"te-core", META, KIT}
    shown = subprocess.run(
        [str(bare_environment.with_name("te")), "--help"], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr


def test_every_plugin_is_type_checked_under_its_own_name(projects: dict[str, Path], root: Path) -> None:
    """mypy finds a plugin's package through its folder in ``mypy_path``."""
    config = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
    folders = {path.replace("$MYPY_CONFIG_FILE_DIR", str(root)) for path in config["mypy_path"]}
    assert folders >= {str(folder) for name, folder in projects.items() if name != META}


def test_each_distribution_states_authors_and_licence(wheels: dict[str, zipfile.ZipFile], root: Path) -> None:
    license_text = (root / "LICENSE").read_text(encoding="utf-8")
    assert license_text.startswith("MIT License")
    for name, wheel in wheels.items():
        stated = metadata(wheel)
        assert (stated["License-Expression"], stated["Author"]) == ("MIT", "trade-engine contributors"), name
        assert {"Typing :: Typed", "Programming Language :: Python :: 3.11"} <= set(
            stated.get_all("Classifier", [])
        ), name
        (copy,) = (path for path in wheel.namelist() if path.endswith(".dist-info/licenses/LICENSE"))
        assert wheel.read(copy).decode() == license_text, f"{name} has another LICENSE than the repository"
        packages = {path.partition("/")[0] for path in wheel.namelist() if path.endswith(".py")}
        assert {f"{package}/py.typed" for package in packages} <= set(wheel.namelist()), name


def test_the_one_package_brings_the_others_and_the_command(
    wheels: dict[str, zipfile.ZipFile], projects: dict[str, Path]
) -> None:
    needed = requirements(wheels[META])
    notifiers = {f"te-notify-{name}" for name in ("apprise", "telegram", "webhook")}
    assert {name for name, need in needed.items() if need.marker is None} == set(projects) - {
        META,
        KIT,
        *notifiers,
    }
    assert notifiers <= set(needed)
    assert metadata(wheels[META]).get_all("Provides-Extra") == [
        "encryption",
        "fast",
        "keyring",
        "mcp",
        "notifiers",
        "otel",
    ]
    assert not [path for path in wheels[META].namelist() if path.endswith(".py")]
    # Installers of applications (pipx, uv tool) only expose the commands of the requested package.
    assert project(projects[META])["scripts"] == project(projects["te-core"])["scripts"]


def test_what_is_published_has_no_link_that_leads_nowhere(projects: dict[str, Path], tmp_path: Path) -> None:
    for repository in ("", "https://code.example.org/trade-engine/"):
        for name, folder in projects.items():
            made = Project(folder=folder, metadata=project(folder))
            staged = made.staged(tmp_path / f"with{len(repository)}", repository=repository)
            shown = (staged / "README.md").read_text(encoding="utf-8")
            assert not LINK.search(shown), name
            assert ("urls" in project(staged)) == bool(repository)
            assert (staged / "LICENSE").exists()
            assert not list(staged.rglob("__pycache__"))


def test_links_of_a_readme_become_absolute_or_words() -> None:
    text = (
        "See [the guide](../../docs/exchanges.md#ids), [ccxt](https://example.org).\n"
        "```\n[kept](as/it/is.md)\n```\n"
    )
    words = for_an_index(text)
    assert words == text.replace("[the guide](../../docs/exchanges.md#ids)", "the guide")
    full = for_an_index(text, folder="plugins/exchange_ccxt", repository="https://code.example.org/te")
    assert "[the guide](https://code.example.org/te/blob/main/docs/exchanges.md#ids)" in full
    assert "[kept](as/it/is.md)" in full
