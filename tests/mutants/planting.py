"""Plants one fault in a copy of the source, and runs there what should catch it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
SHARED = ("tests", "plugins", "conftest.py", "pyproject.toml", "docs")
WAIT = 10
"""How many times its CPU seconds a hunt may take on a busy machine before it counts as hanging."""
OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no", "--show-capture=no")
SCRIPTED = (
    "test_unasked_changes.py",
    "test_wrong_beliefs.py",
    "test_pushed_orders.py",
    "test_stuck_positions.py",
    "test_found_by_storms.py",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """The result of a planted fault."""

    mutant: Mutant
    by: str
    """Empty if nothing caught it."""
    tried: int
    """Seeds or tests until then."""
    seconds: float
    why: str = ""


@contextmanager
def copy_of_source(of: Path = ROOT, *copied: str) -> Iterator[Path]:
    """Make a folder with a copy of the core and the named folders; the rest is linked."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        root = Path(name)
        for one in ("te_core", *copied):
            shutil.copytree(of / one, root / one, ignore=shutil.ignore_patterns("__pycache__"))
        for shared in SHARED:
            if shared not in copied:
                (root / shared).symlink_to(of / shared)
        yield root


def run(root: Path, seconds: float, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this Python there; on a time-out it is killed, with exit code 124."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
    }
    command = [sys.executable, *arguments]
    try:
        return subprocess.run(
            command, cwd=root, env=environment, timeout=seconds, capture_output=True, text=True, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", "took too long")


def failing_without(source: Path, seeds: int, seconds: float) -> tuple[list[str], int]:
    """Return which seeds and scripted tests fail though nothing is planted, and how many seeds were tried."""
    with copy_of_source(source) as root:
        scripted = run(
            root, 600 * WAIT, "-m", "pytest", *OPTIONS, *(f"tests/engine/{name}" for name in SCRIPTED)
        )
        tests = re.findall(r"^(?:FAILED|ERROR) (\S+::\S+)", scripted.stdout, re.MULTILINE)
        done = run(root, seconds * WAIT + 60, "-m", "tests.mutants.hunt", "--all", str(seconds), str(seeds))
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["source"] == str(root / "te_core"), "the copy is what runs"
        return [*found["failing"], *tests], found["seeds"]


def catch(
    mutant: Mutant, *, seeds: int, seconds: float, known: Sequence[str] = (), source: Path = ROOT
) -> Caught:
    """Plant a fault, and run seeds and then scripted tests until one of them fails."""
    with copy_of_source(source) as root:
        mutant.plant(root)
        began, tried = time.monotonic(), 0
        if not mutant.tests:
            skipped = [name for name in known if "::" not in name]
            done = run(
                root, seconds * WAIT + 60, "-m", "tests.mutants.hunt", str(seconds), str(seeds), *skipped
            )
            if done.returncode != 0:
                why = (done.stderr.strip().splitlines() or [""])[-1]
                by = "it hangs" if done.returncode == 124 else "it breaks"
                return Caught(mutant=mutant, by=by, tried=1, seconds=time.monotonic() - began, why=why)
            found = json.loads(done.stdout.splitlines()[-1])
            tried = int(found["tried"])
            if "by" in found:
                taken = time.monotonic() - began
                return Caught(mutant=mutant, by=found["by"], tried=tried, seconds=taken, why=found["why"])
        by, more = _scripted(root, mutant, [name for name in known if "::" in name])
        return Caught(mutant=mutant, by=by, tried=tried + more, seconds=time.monotonic() - began)


def _scripted(root: Path, mutant: Mutant, known: Sequence[str]) -> tuple[str, int]:
    """Run scripted tests until one fails; return its name and how many were run."""
    files = [mutant.tests] if mutant.tests else [f"tests/engine/{name}" for name in SCRIPTED]
    left_out = [part for name in known for part in ("--deselect", name)]
    done = run(root, 600 * WAIT, "-m", "pytest", "-x", *OPTIONS, *left_out, *files)
    name = re.search(r"^(?:FAILED|ERROR) \S+::(\S+)", done.stdout, re.MULTILINE)
    counted = sum(map(int, re.findall(r"(\d+) (?:passed|failed)", done.stdout)))
    return (name.group(1) if name else "", counted)
