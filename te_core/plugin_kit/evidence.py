"""What a check of a plugin finds out, and how: by programs in processes of their own."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from te_core.plugin_kit import recorder
from te_core.plugin_kit.project import PYTHON, PluginProject

LONGEST = {"probe": 60, "mypy": 600, "pytest": 1_800}
"""Seconds after which a program is ended, and counts as failed."""
TAIL = 15
"""Lines of a program's output that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one test."""

    outcome: str
    reason: str
    """Why it was skipped."""
    suite: str
    """The kind of plugin whose conformance suite has it; empty for any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRun:
    """A program that has ended."""

    passed: bool
    output: Sequence[str]
    outcomes: Mapping[str, Outcome]
    """Of tests, by their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The results of loading, type-checking and testing a plugin."""

    project: PluginProject
    loaded: Mapping[str, Mapping[str, Any]]
    """The report of each entry point."""
    typing: ToolRun | None = None
    """None if it did not run."""
    tests: ToolRun | None = None
    """None if they did not run."""

    @property
    def loads(self) -> bool:
        """Whether all of it could be loaded."""
        return all(report["status"] == "loaded" for report in self.loaded.values())

    @property
    def failed(self) -> bool:
        """Whether a program found fault: something does not load, a type is wrong, a test fails."""
        return not self.loads or any(run is not None and not run.passed for run in (self.typing, self.tests))

    @property
    def specs(self) -> Sequence[Mapping[str, Any]]:
        """What the plugin offers."""
        return [spec for report in self.loaded.values() for spec in report["specs"]]

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of what it offers: source, exchange, notifier."""
        return frozenset(str(spec["kind"]) for spec in self.specs)


def gather(project: PluginProject, *, tests: bool = True) -> Evidence:
    """Load the plugin, check its types where mypy is installed, and run its tests where pytest is."""
    with tempfile.TemporaryDirectory(prefix="te-plugin-") as folder:
        announced = Path(folder)
        project.announce(announced)
        loaded = {name: loaded_by_probe(project, name, announced) for name in project.points}
        fine = all(report["status"] == "loaded" for report in loaded.values())
        return Evidence(
            project=project,
            loaded=loaded,
            typing=_typed(project, announced) if fine and find_spec("mypy") else None,
            tests=_tested(project, announced) if fine and tests and find_spec("pytest") else None,
        )


def loaded_by_probe(project: PluginProject, name: str, announced: Path) -> Mapping[str, Any]:
    """Load one of the plugin's entry points in a fresh process and return the report."""
    command = ("-m", "te_core.plugin_kit.probe", name, project.name)
    done = _run("probe", project, announced, *command)
    try:
        report: dict[str, Any] = json.loads(done.output[-1])
    except (IndexError, ValueError):
        said = "\n".join(done.output[-TAIL:])
        return {"status": "failed", "reason": f"its import ended the process: {said}", "specs": []}
    return report


def _typed(project: PluginProject, announced: Path) -> ToolRun:
    return _run("mypy", project, announced, "-m", "mypy", "--strict", *map(str, project.packages))


def _tested(project: PluginProject, announced: Path) -> ToolRun:
    file = announced / "outcomes.json"
    plugins = ("-p", "te_core.testing.pytest_plugin", "-p", recorder.__name__)
    done = _run("pytest", project, announced, "-m", "pytest", "-q", *plugins, recorder.OPTION, str(file))
    try:
        recorded = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it did not come so far
        recorded = {}
    outcomes = {name: Outcome(**found) for name, found in recorded.items()}
    return ToolRun(passed=done.passed, output=done.output, outcomes=outcomes)


def _run(what: str, project: PluginProject, announced: Path, *command: str) -> ToolRun:
    try:
        done = subprocess.run(  # noqa: S603 - our own Python, and a folder that the caller named
            (*PYTHON, *command),
            cwd=project.folder,
            env=project.environment(announced),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LONGEST[what],
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ToolRun(passed=False, output=[f"{what} did not end within {LONGEST[what]} s"], outcomes={})
    return ToolRun(passed=done.returncode == 0, output=done.stdout.splitlines(), outcomes={})
