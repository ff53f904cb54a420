"""``te plugin check``: the requirements of each level, judged from evidence; and a plugin that is really checked."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from te_core.cli.main import app
from te_core.errors import CommandFailed
from te_core.plugin_kit import badge
from te_core.plugin_kit.evidence import Evidence, Outcome, ToolRun
from te_core.plugin_kit.kinds import naming
from te_core.plugin_kit.levels import NEEDS, TESTED, Level, judge
from te_core.plugin_kit.project import PluginProject, read_project
from te_core.plugin_kit.recorder import SUITES
from te_core.plugin_kit.writing import files, write
from te_core.testing.exchange_harness import Ability
from te_core.testing.steps import needs
from tests.plugin_kit.levels_page import PAGE, page

OPTION = {"name": "url", "required": True, "secret": False, "meaning": "address of it"}
CASE = "tests/test_x.py::TestX::test_e01"


def passed(*skipped: str, suite: str = "exchange", outcome: str = "passed") -> ToolRun:
    outcomes = {CASE: Outcome(outcome=outcome, reason="", suite=suite)}
    outcomes |= {reason: Outcome(outcome="skipped", reason=reason, suite=suite) for reason in skipped}
    return ToolRun(passed=outcome == "passed", output=["1 passed"], outcomes=outcomes)


@pytest.fixture
def golden(tmp_path: Path) -> Evidence:
    """An exchange that has everything."""
    folder = tmp_path / "plugin"
    write(folder, files(naming("exchange", "acme"), author="", year=2026))
    (folder / "README.md").write_text("`url`")
    project = read_project(folder)
    metadata = {**project.metadata, "urls": {"Source": "https://example.org"}}
    spec = {"kind": "exchange", "summary": "", "refuses_unknown": True, "options": [OPTION]}
    return Evidence(
        project=PluginProject(folder=folder, metadata=metadata, points=project.points),
        loaded={"acme": {"status": "loaded", "reason": "", "specs": [spec]}},
        typing=ToolRun(passed=True, output=[], outcomes={}),
        tests=passed(),
    )


def lacking_reason() -> str:
    """Return the suite's own words for a case that its emulator lacks an ability for."""
    harness: Any = SimpleNamespace(exchange=SimpleNamespace(abilities=frozenset()))
    with pytest.raises(pytest.skip.Exception) as skipped:
        needs(harness, Ability.LOSE_ANSWER)
    return str(skipped.value)


def unmet(evidence: Evidence) -> set[str]:
    return {finding.need.name for finding in judge(evidence)[1] if not finding.verdict.met}


def test_one_that_has_everything_is_golden(golden: Evidence) -> None:
    level, findings = judge(golden)
    assert (level, unmet(golden)) == (Level.GOLD, set())
    assert {finding.need.name for finding in findings} == {need.name for need in NEEDS}


def metadata(evidence: Evidence, **changed: Any) -> Evidence:
    project = evidence.project
    stated = {key: value for key, value in {**project.metadata, **changed}.items() if value is not None}
    return replace(evidence, project=replace(project, metadata=stated))


def specs(evidence: Evidence, **changed: Any) -> Evidence:
    spec = {**evidence.specs[0], **changed}
    return replace(evidence, loaded={"acme": {"status": "loaded", "reason": "", "specs": [spec]}})


def without(evidence: Evidence, name: str) -> Evidence:
    (evidence.project.folder / name).unlink()
    return evidence


def failing(evidence: Evidence) -> Evidence:
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\nValueError: no\n'
    report = {"status": "failed", "reason": "ValueError: no", "traceback": trace, "specs": []}
    return replace(evidence, loaded={"acme": report})


LACKS: Mapping[str, tuple[Level, Callable[[Evidence], Evidence], set[str]]] = {
    "a description": (Level.NONE, lambda e: metadata(e, description=None), {"metadata"}),
    "the Python version": (Level.NONE, lambda e: metadata(e, **{"requires-python": None}), {"metadata"}),
    "the core": (Level.NONE, lambda e: metadata(e, dependencies=["pydantic"]), {"core"}),
    "this core": (Level.NONE, lambda e: metadata(e, dependencies=["te-core>=7,<8"]), {"core"}),
    "an upper bound": (Level.NONE, lambda e: metadata(e, dependencies=["te-core>=0.1"]), {"core"}),
    "a lower bound": (Level.NONE, lambda e: metadata(e, dependencies=["te-core<0.2"]), {"core"}),
    "valid requirements": (Level.NONE, lambda e: metadata(e, dependencies=["te core"]), {"core"}),
    "working code": (
        Level.NONE,
        failing,
        {"loads", "settings", "typing", "tests"},
    ),
    "strict settings": (Level.NONE, lambda e: specs(e, refuses_unknown=False), {"settings"}),
    "meanings": (Level.NONE, lambda e: specs(e, options=[{**OPTION, "meaning": ""}]), {"settings"}),
    "py.typed": (Level.BRONZE, lambda e: without(e, "te_exchange_acme/py.typed"), {"typing"}),
    "mypy": (Level.BRONZE, lambda e: replace(e, typing=None), {"typing"}),
    "right types": (
        Level.BRONZE,
        lambda e: replace(e, typing=ToolRun(passed=False, output=["x.py:1: error"], outcomes={})),
        {"typing"},
    ),
    "a run of tests": (
        Level.BRONZE,
        lambda e: replace(e, tests=None),
        {"tests", "conformance", "troubles"},
    ),
    "tests": (
        Level.BRONZE,
        lambda e: replace(e, tests=ToolRun(passed=True, output=[], outcomes={})),
        {"tests", "conformance", "troubles"},
    ),
    "a suite": (
        Level.BRONZE,
        lambda e: replace(e, tests=passed(suite="")),
        {"conformance", "troubles"},
    ),
    "conformance": (
        Level.BRONZE,
        lambda e: replace(e, tests=passed(outcome="failed")),
        {"tests", "conformance"},
    ),
    "a README": (Level.BRONZE, lambda e: without(e, "README.md"), {"readme"}),
    "a setting in the README": (
        Level.BRONZE,
        lambda e: specs(e, options=[{**OPTION, "name": "secret_key"}]),
        {"readme"},
    ),
    "a licence": (Level.BRONZE, lambda e: metadata(e, license=None), {"licence"}),
    "its text": (Level.BRONZE, lambda e: without(e, "LICENSE"), {"licence"}),
    "troubles": (
        Level.SILVER,
        lambda e: replace(e, tests=passed(lacking_reason())),
        {"troubles"},
    ),
    "a workflow": (Level.SILVER, lambda e: without(e, ".github/workflows/test.yml"), {"ci"}),
    "changes": (Level.SILVER, lambda e: without(e, "CHANGELOG.md"), {"changes"}),
    "an address": (Level.SILVER, lambda e: metadata(e, urls=None), {"contact"}),
}


@pytest.mark.parametrize("what", LACKS)
def test_each_lack_costs_a_level_and_is_named(what: str, golden: Evidence) -> None:
    level, lacking, needs = LACKS[what]
    found = lacking(golden)
    assert (judge(found)[0], unmet(found)) == (level, needs)


def test_every_need_can_be_unmet() -> None:
    assert {need.name for need in NEEDS} == set().union(*(needs for _, _, needs in LACKS.values()))


def test_what_an_exchange_cannot_do_is_not_a_gap_of_its_emulator(golden: Evidence) -> None:
    assert judge(replace(golden, tests=passed("the exchange has one margin mode")))[0] is Level.GOLD


@pytest.mark.parametrize("kind", sorted(TESTED))
def test_a_suite_counts_for_its_own_kind(kind: str, golden: Evidence) -> None:
    plugin = replace(specs(golden, kind=kind), tests=passed(suite=kind))
    assert judge(plugin)[0] is Level.GOLD
    for other in TESTED - {kind}:
        assert unmet(replace(plugin, tests=passed(suite=other))) == {"conformance"}


def test_what_has_no_suite_needs_none(golden: Evidence) -> None:
    observer = replace(specs(golden, kind="observer"), tests=passed(suite=""))
    level, findings = judge(observer)
    assert level is Level.GOLD
    assert not {"conformance", "troubles"} & {finding.need.name for finding in findings}


def test_every_suite_exists() -> None:
    for (module, name), kind in SUITES.items():
        assert inspect.isclass(getattr(importlib.import_module(module), name)), kind


def test_a_failure_to_load_is_shown_with_its_place(golden: Evidence) -> None:
    (loads,) = (f for f in judge(failing(golden))[1] if f.need.name == "loads")
    assert list(loads.verdict.detail) == [
        "acme: failed: ValueError: no",
        "  x.py:1 in <module>",
        "  ValueError: no",
    ]


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.plugin_kit.levels_page"


@pytest.mark.parametrize("level", Level)
def test_the_badge_shows_the_level_and_fetches_nothing(level: Level) -> None:
    picture = ElementTree.fromstring(badge.svg(level))
    assert picture.attrib["aria-label"] == f"trade-engine plugin: {level}"
    assert badge.svg(level).count("http") == 1  # the name space
    assert badge.line(level, "b.svg") == f"![trade-engine plugin: {level}](b.svg)"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "there is no"),
        ("[", "cannot be read"),
        ("", r"has no \[project\] with a name"),
        ('[project]\nname = "x"', "the engine finds plugins by that"),
    ],
)
def test_a_folder_that_is_not_a_plugin_is_refused(text: str | None, reason: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(CommandFailed, match=reason):
        read_project(tmp_path)


def test_a_plugin_not_installed_is_checked_as_it_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYPY_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "te-notify-bell"
    write(folder, files(naming("notifier", "bell"), author="", year=2026))
    picture = tmp_path / "badge.svg"
    command = ["plugin", "check", str(folder), "--json", "--badge", str(picture)]
    done = CliRunner().invoke(app, command)
    found = json.loads(done.stdout)
    assert (done.exit_code, found["level"], found["plugin"]) == (0, "silver", "te-notify-bell"), done.output
    assert found["stated"] == "silver"
    assert [need["need"] for need in found["needs"] if not need["met"]] == ["contact"]
    assert ">silver<" in picture.read_text()

    module = folder / "te_notify_bell" / "notifier.py"
    module.write_text(module.read_text() + "\nraise RuntimeError('no')\n")
    done = CliRunner().invoke(app, ["plugin", "check", str(folder)])
    assert done.exit_code == 1
    assert "bell: failed: RuntimeError: no" in done.stdout
    assert "level: none" in done.stdout
    assert "the keywords of pyproject.toml state silver" in done.output


def test_a_failing_test_is_reported_and_ends_with_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("te_core.plugin_kit.evidence.find_spec", lambda name: name == "pytest" or None)
    folder = tmp_path / "te-notify-bell"
    write(folder, files(naming("notifier", "bell"), author="", year=2026))
    for test in (folder / "tests").iterdir():
        test.unlink()
    (folder / "tests" / "test_bell.py").write_text("def test_it():\n    assert False\n")
    done = CliRunner().invoke(app, ["plugin", "check", str(folder)])
    assert done.exit_code == 1
    assert "level: bronze" in done.stdout
    assert "FAILED tests/test_bell.py::test_it" in done.stdout
