"""The examples of docs/plugins.md are complete: they type-check, pass their tests, install, and run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from te_core.settings.schema import Settings

BLOCK = re.compile(r"^```\w+ file=(?P<file>\S+)\n(?P<text>.*?)^```$", re.M | re.S)
EXAMPLES = ("signals_notebook", "exchange_pocket")


@pytest.fixture(scope="module")
def workshop(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write every file that the guide shows."""
    folder = tmp_path_factory.mktemp("workshop")
    for match in BLOCK.finditer((root / "docs" / "plugins.md").read_text(encoding="utf-8")):
        file = folder / match["file"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(match["text"], encoding="utf-8")
    return folder


def run(*command: str, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_passes_its_own_tests(example: str, workshop: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "te_core.testing.pytest_plugin",
    ]
    assert " passed" in run(*command, "-W", "error", cwd=workshop / example, PYTHONPATH=".")


def test_the_examples_are_typed_strictly(workshop: Path, root: Path) -> None:
    examples = [str(workshop / example) for example in EXAMPLES]
    # The repo's own cache: what `make check` has computed about the core need not be computed again.
    run(sys.executable, "-m", "mypy", "--strict", *examples, cwd=root, MYPYPATH=os.pathsep.join(examples))


@pytest.mark.parametrize("file", ["settings-source.toml", "settings-exchange.toml"])
def test_the_settings_shown_are_valid(file: str, workshop: Path) -> None:
    Settings.model_validate(tomllib.loads((workshop / file).read_text(encoding="utf-8")))


def test_an_installed_example_is_listed_by_te_plugins(
    bare_environment: Path, workshop: Path, root: Path
) -> None:
    settings = workshop / "settings.toml"
    shown = [
        (workshop / name).read_text(encoding="utf-8")
        for name in ("settings-source.toml", "settings-exchange.toml")
    ]
    settings.write_text("\n".join(shown), encoding="utf-8")
    folders = [root, *(workshop / example for example in EXAMPLES)]
    pip = [sys.executable, "-m", "pip", "--python", str(bare_environment)]
    install = ["install", "-q", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    run(*pip, *install, *(word for folder in folders for word in ("-e", str(folder))), cwd=root)
    te = str(bare_environment.with_name("te"))
    command = [te, "--settings", str(settings), "plugins", "--json"]
    listed = json.loads(run(*command, cwd=workshop, TE_HOME=str(workshop)))["plugins"]
    plugins = {
        plugin["name"]: (plugin["kind"], plugin["distribution"], plugin["instances"]) for plugin in listed
    }
    assert plugins["notebook"] == ("source", "te-signals-notebook", ["sources.notebook"])
    assert plugins["pocket"] == ("exchange", "te-exchange-pocket", ["accounts.pocket"])
    assert not [plugin["reason"] for plugin in listed if plugin["reason"]]
