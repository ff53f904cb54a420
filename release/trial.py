"""What a new user does with the wheels: an empty environment, plain pip, ``te``; and the conformance suite on top."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path

from release.projects import ROOT, projects
from release.scaffolds import time_scaffolds

CONFORMANCE = sorted(ROOT.glob("plugins/*/tests/test_*_conformance.py"))


def try_out(wheels: Sequence[Path], *, conformance: bool) -> None:
    """Install the wheels and use them. Exits at the first failure."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        venv.create(here / "venv", with_pip=True)
        python = here / "venv" / "bin" / "python"
        # Every wheel is named, so that no package of the same name is fetched from an index.
        run(here, str(python), "-m", "pip", "install", "-q", *map(str, wheels))
        run(here, str(python), "-m", "pip", "check")
        te = str(python.with_name("te"))
        run(here, te, "--version")
        _all_plugins_are_there(here, te)
        run(here, te, "demo", "--seconds", "0")
        run(here, te, "init", "--yes")
        run(here, te, "check")
        run(here, str(python), "-m", "te_emulators", "--help")
        if conformance:
            _conforms(here, python)
            time_scaffolds(here, python)


def _all_plugins_are_there(here: Path, te: str) -> None:
    listed = json.loads(run(here, te, "plugins", "--no-import", "--json"))["plugins"]
    found = {plugin["distribution"] for plugin in listed}
    offered = {project.name for project in projects() if "entry-points" in project.metadata}
    if found != offered:
        sys.exit(f"installed plugins: {sorted(found)}, built: {sorted(offered)}")


def _conforms(here: Path, python: Path) -> None:
    """Run every exchange's conformance cases against what is installed: the tests are the repository's, no code is."""
    testing = next(p for p in projects() if p.folder == ROOT).metadata["optional-dependencies"]["testing"]
    run(here, str(python), "-m", "pip", "install", "-q", *testing, "pytest-timeout")
    (here / "tests").symlink_to(ROOT / "tests")
    (here / "plugins").symlink_to(ROOT / "plugins")
    (here / "conftest.py").write_text((ROOT / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    (here / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib -p te_core.testing.pytest_plugin\npythonpath = .\n"
        "markers = real_clock: on a real event loop\n",
        encoding="utf-8",
    )
    where = run(here, str(python), "-c", "import te_core; print(te_core.__file__)")
    if str(here) not in where:
        sys.exit(f"the trial would test {where}")
    shown = run(here, str(python), "-m", "pytest", "-q", "-c", "pytest.ini", *_relative(CONFORMANCE))
    print(shown.strip().splitlines()[-1])


def _relative(files: Sequence[Path]) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in files]


def run(here: Path, *command: str) -> str:
    """Run a command and return its output. Exits if it fails."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("TE_", "PYTHON"))}
    done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    print(f"ok  {' '.join([Path(command[0]).name, *command[1:3]])}")
    return done.stdout
