"""Whatever a plugin does wrong is reported with its name and reason, and affects no other plugin."""

from __future__ import annotations

import pytest

from te_core.plugins.registry import Registry
from te_core.plugins.report import PluginReport, PluginStatus
from tests.plugins.conftest import GOOD, Install

pytestmark = pytest.mark.real_clock


async def loaded_beside_a_good_one(install: Install) -> PluginReport:
    """Load ``bad`` between two good ones; both have to work."""
    install("agood")
    install("zgood")
    registry = Registry()
    await registry.ensure(["agood", "bad", "zgood"])
    for name in ("agood", "zgood"):
        assert registry.reports[name].status is PluginStatus.LOADED
        assert registry.sources[name].settings().depth == 0
    assert "bad" not in registry.sources
    assert "bad" not in registry.exchanges
    return registry.reports["bad"]


def reported(report: PluginReport) -> tuple[str, str, str]:
    return report.status, report.distribution, report.version


async def test_a_good_plugin_is_reported_with_its_kind(install: Install) -> None:
    install("oracle")
    registry = Registry()
    await registry.ensure(["oracle"])
    report = registry.reports["oracle"]
    assert (report.kind, report.reason, report.traceback) == ("source", "", "")
    assert reported(report) == ("loaded", "te-oracle", "1.2.3")


async def test_one_plugin_may_be_a_source_and_an_exchange(install: Install) -> None:
    more = (
        "\nfrom te_core.api import ExchangeSpec\n@hookimpl\ndef te_exchanges():\n"
        "    yield ExchangeSpec(name={name!r}, settings=Options, factory=print)\n"
    )
    install("both", GOOD + more)
    registry = Registry()
    await registry.ensure(["both"])
    assert registry.reports["both"].kind == "source, exchange"
    assert set(registry.sources) == set(registry.exchanges) == {"both"}


DEFECTS = {
    "broken import": (
        "import os\n1 / 0\n",
        "ZeroDivisionError: division by zero (te_bad_module.py:2)",
        "1 / 0",
    ),
    "syntax error": ("def (:\n", "SyntaxError", "def (:"),
    "exit at import": ("import sys\nsys.exit(3)\n", "calls sys.exit(3) while it is loaded", "sys.exit(3)"),
    "own exception": (
        "class Odd(BaseException): pass\nraise Odd('x')\n",
        "Odd: x",
        "raise Odd",
    ),
    "cancelled error": ("import asyncio\nraise asyncio.CancelledError\n", "CancelledError", "raise asyncio"),
    "undeclared module": (
        "import te_not_there\n",
        "no module named 'te_not_there' (te_bad_module.py:1); is a dependency missing?",
        "import te_not_there",
    ),
    "misspelled hook": (
        GOOD.replace("te_signal_sources", "te_signal_source"),
        "unknown hook 'te_signal_source'; did you mean 'te_signal_sources'?",
        "",
    ),
    "hook with unknown argument": (
        GOOD.replace("te_signal_sources()", "te_signal_sources(config)"),
        "'config'",
        "",
    ),
    "hook returns None": (
        GOOD.replace("    yield Sig", "    list() or Sig").replace(
            "list() or SignalSourceSpec", "pass; dict"
        ),
        "te_signal_sources() (te_bad_module.py:8) returned None: it must yield specs or return a list",
        "",
    ),
    "hook yields nothing": (
        GOOD.replace("    yield", "    return\n    yield"),
        "te_signal_sources() (te_bad_module.py:8) offered nothing: it must yield a spec",
        "",
    ),
    "hook yields for ever": (
        GOOD.replace("    yield", "    while True: yield"),
        "offers two specs of the same kind",
        "",
    ),
    "no hook": ("x = 1\n", "offers nothing", ""),
    "hook not decorated": (
        GOOD.replace("@hookimpl", ""),
        "implement one of te_signal_sources, te_exchanges,",
        "",
    ),
    "hook raises at once": (
        GOOD.replace("    yield", "    raise RuntimeError('at once')\n    yield"),
        "RuntimeError: at once (te_bad_module.py:10)",
        "at once",
    ),
    "hook raises late": (
        GOOD + "    raise RuntimeError('late')\n",
        "RuntimeError: late",
        "raise RuntimeError('late')",
    ),
    "hook exits late": (GOOD + "    raise SystemExit\n", "calls sys.exit(None)", "raise SystemExit"),
    "hook gives no list": (
        GOOD.replace("    yield Sig", "    return Sig"),
        "te_signal_sources() (te_bad_module.py:8) returned a SignalSourceSpec: it must yield specs",
        "",
    ),
    "hook gives something else": (
        GOOD.replace("    yield", "    yield 5\n    yield"),
        "returned an int instead",
        "",
    ),
    "other name": (GOOD.replace("name={name!r}", "name='other'"), "returned the name 'other'", ""),
    "two of a kind": (
        GOOD + "    yield SignalSourceSpec(name={name!r}, settings=Options, factory=print)\n",
        "two specs of the same kind",
        "",
    ),
    "settings no model": (GOOD.replace("settings=Options", "settings=dict"), "a pydantic model class", ""),
    "settings an instance": (
        GOOD.replace("settings=Options", "settings=Options()"),
        "a pydantic model class",
        "",
    ),
    "factory not callable": (GOOD.replace("factory=print", "factory=None"), "must be callable", ""),
    "strange secret": (
        GOOD.replace("factory=print", "factory=print, generated_secrets=('tokn',)"),
        "generated_secrets names 'tokn', which is not a setting",
        "",
    ),
    "unknown field": (GOOD.replace("factory=print", "fabric=print"), "TypeError", "fabric"),
    "source as exchange": (
        GOOD.replace("te_signal_sources", "te_exchanges"),
        "returned a SignalSourceSpec instead of ExchangeSpec",
        "",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
async def test_a_defect_is_reported_and_affects_nothing_else(install: Install, defect: str) -> None:
    code, reason, line = DEFECTS[defect]
    install("bad", code)
    report = await loaded_beside_a_good_one(install)
    assert reported(report) == ("failed", "te-bad", "1.2.3")
    assert reason in report.reason
    assert line in report.traceback
    assert "Traceback" in report.traceback


async def test_a_missing_dependency_is_named(install: Install) -> None:
    install("bad", "raise AssertionError", requires=("te-core>=0.1", "te-not-there>=2", "pydantic"))
    report = await loaded_beside_a_good_one(install)
    assert reported(report) == ("incompatible", "te-bad", "1.2.3")
    assert "requires te-not-there>=2, which is not installed" in report.reason


async def test_dependencies_of_other_systems_and_extras_are_optional(install: Install) -> None:
    other = ("te-not-there; extra == 'fast'", "te-not-there-either; sys_platform == 'plan9'")
    install("oracle", requires=("te-core", *other))
    registry = Registry()
    await registry.ensure(["oracle"])
    assert registry.reports["oracle"].status is PluginStatus.LOADED


@pytest.mark.parametrize("specifier", [">=99", "<0.1", "==0.0.1"])
async def test_another_core_version_is_reported_before_any_import(install: Install, specifier: str) -> None:
    install("bad", "raise AssertionError('imported')", requires=(f"te-core{specifier}",))
    report = await loaded_beside_a_good_one(install)
    assert reported(report) == ("incompatible", "te-bad", "1.2.3")
    assert f"requires te-core{specifier}, but this is te-core 0.1.0" in report.reason


async def test_invalid_metadata_is_reported(install: Install) -> None:
    install("bad", "raise AssertionError('imported')", requires=("te-core >>> 5",))
    report = await loaded_beside_a_good_one(install)
    assert report.status is PluginStatus.INCOMPATIBLE
    assert "invalid requirement" in report.reason


async def test_two_with_one_name_are_both_refused_naming_both(install: Install) -> None:
    install("bad", "raise AssertionError('imported')", distribution="te-first")
    install("bad", "raise AssertionError('imported')", distribution="te-second", version="2")
    report = await loaded_beside_a_good_one(install)
    assert reported(report) == ("conflict", "te-first, te-second", "1.2.3, 2")
    assert "te-first and te-second both offer it" in report.reason


async def test_a_plugin_that_is_not_installed_names_the_nearest(install: Install) -> None:
    install("oracle")
    registry = Registry()
    await registry.ensure(["oracel"])
    report = registry.reports["oracel"]
    assert report.status is PluginStatus.MISSING
    assert report.reason == "no installed package offers a plugin 'oracel'; did you mean 'oracle'?"


async def test_the_operators_interrupt_is_nobodys_defect(install: Install) -> None:
    from te_core.plugins.discovery import discover
    from te_core.plugins.loading import load

    install("bad", "raise KeyboardInterrupt\n")
    (entry,) = (entry for entry in discover() if entry.name == "bad")
    with pytest.raises(KeyboardInterrupt):
        load(entry)
