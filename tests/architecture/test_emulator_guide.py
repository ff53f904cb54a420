"""The example of docs/emulators.md is complete: it type-checks, and passes its own tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.test_plugin_guide import BLOCK

EXAMPLE = "exchange_harbor"


@pytest.fixture
def harbor(root: Path) -> Path:
    return root / "examples" / EXAMPLE


def test_the_example_is_what_the_guide_shows(harbor: Path, root: Path) -> None:
    guide = (root / "docs" / "emulators.md").read_text(encoding="utf-8")
    shown = {match["file"]: match["text"] for match in BLOCK.finditer(guide)}
    files = {file: (harbor.parent / file).read_text(encoding="utf-8") for file in shown}
    assert shown == files
    code = {file.relative_to(harbor.parent).as_posix() for file in harbor.rglob("*.py")}
    assert code <= shown.keys()


def run(*command: str, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_exchange_of_the_guide_passes_its_tests(harbor: Path) -> None:
    pytest_options = ["-q", "-W", "error", "-p", "no:cacheprovider", "-p", "te_core.testing.pytest_plugin"]
    pytest_options += ["-n", "4"]  # nearly all of the time is waiting
    shown = run(sys.executable, "-m", "pytest", *pytest_options, "-rs", cwd=harbor, PYTHONPATH=".:tests")
    assert " passed" in shown
    for ability in ("rate limit", "lose answer", "bad key", "lose equity", "lose positions", "slow answers"):
        assert f"cannot {ability}" not in shown, "the guide's faults stand for this ability"


def test_the_exchange_of_the_guide_is_typed_strictly(harbor: Path, root: Path) -> None:
    paths = os.pathsep.join((str(harbor), str(harbor / "tests")))
    run(sys.executable, "-m", "mypy", "--strict", str(harbor), cwd=root, MYPYPATH=paths)
