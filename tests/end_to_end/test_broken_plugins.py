"""Plugins that are broken in every way, installed and named in the settings: each is reported with its reason, and the
rest of the engine trades on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.engine_process import EngineProcess, te
from tests.end_to_end.home import Home
from tests.end_to_end.packages import WITNESS, install

pytestmark = pytest.mark.real_clock

SOURCE = """
    from pydantic import BaseModel
    from te_core.api import SignalSource, SignalSourceSpec, hookimpl

    class Options(BaseModel):
        pass

    class Silent(SignalSource):
        def __init__(self, context):
            pass

    @hookimpl
    def te_signal_sources():
        yield SignalSourceSpec(name=NAME, settings=Options, factory=Silent)
"""


@dataclass(frozen=True, kw_only=True)
class Broken:
    """How a plugin is broken, and what must be reported about it."""

    status: str
    told: str
    code: str = WITNESS
    requires: tuple[str, ...] = ("te-core>=0.1",)
    kind: str = "accounts"


BROKEN = {
    "broken-import": Broken(
        code="ledger = {}\nledger['missing']\n", status="failed", told="KeyError: 'missing'"
    ),
    "syntax-error": Broken(code="def te_exchanges(:\n", status="failed", told="SyntaxError"),
    "leaving": Broken(code="raise SystemExit(7)\n", status="failed", told="sys.exit(7)"),
    "undeclared": Broken(
        code="import te_not_there\n", status="failed", told="no module named 'te_not_there'"
    ),
    "missing-dependency": Broken(
        requires=("te-core>=0.1", "te-not-there>=2"), status="incompatible", told="requires te-not-there>=2"
    ),
    "future-core": Broken(requires=("te-core>=99",), status="incompatible", told="requires te-core>=99"),
    "misspelled": Broken(
        code=SOURCE.replace("te_signal_sources", "te_signal_source"),
        status="failed",
        told="did you mean 'te_signal_sources'?",
        kind="sources",
    ),
    "late": Broken(
        code=SOURCE + "    raise OSError('after the first spec')\n".replace("    ", " " * 8, 1),
        status="failed",
        told="after the first spec",
        kind="sources",
    ),
    "misnamed": Broken(
        code=WITNESS.replace("name=NAME", "name='other'"), status="failed", told="returned the name 'other'"
    ),
}
NEVER_INSTALLED = "papper"
TWINS = ("te-test-twin-one", "te-test-twin-two")

DEFECTIVE = {
    "open-raises": (
        WITNESS.replace("await super().open()", "raise LookupError('in open')"),
        "LookupError: in open",
    ),
    "factory-raises": (
        WITNESS.replace("factory=Witness", "factory=lambda context: 1 / 0"),
        "ZeroDivisionError",
    ),
    "reads-raise": (
        WITNESS.replace(
            "async def close", "async def equity(self):\n            return 1 / 0\n\n        async def close"
        ),
        "ZeroDivisionError",
    ),
}
"""Plugins that load without an error, and whose accounts fail once they run."""


@pytest.fixture
def broken(home: Home) -> Home:
    """Return a home where every broken plugin is installed and in use, with TradingView and paper."""
    for name, how in BROKEN.items():
        install(home, name, how.code, requires=how.requires)
        home.tree[how.kind][name] = {"plugin": name}
    for distribution in TWINS:
        install(home, "twin", distribution=distribution)
    for name, (code, _) in DEFECTIVE.items():
        install(home, name, code)
        home.tree["accounts"][name] = {"plugin": name}
    home.tree["accounts"]["twin"] = {"plugin": "twin"}
    home.tree["accounts"]["never"] = {"plugin": NEVER_INSTALLED}
    home.write()
    return home


def told_of(plugins: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = (plugin for plugin in plugins if plugin["name"] == name)
    return found


def check_reports(plugins: list[dict[str, Any]]) -> None:
    for name, how in BROKEN.items():
        told = told_of(plugins, name)
        assert (told["status"], told["distribution"]) == (how.status, f"te-test-{name}")
        assert how.told in told["reason"]
    twin = told_of(plugins, "twin")
    assert twin["status"] == "conflict"
    assert all(distribution in twin["reason"] for distribution in TWINS)
    assert "did you mean 'paper'?" in told_of(plugins, NEVER_INSTALLED)["reason"]
    for name in ("tradingview", "paper", *DEFECTIVE):
        assert (told_of(plugins, name)["status"], told_of(plugins, name)["reason"]) == ("loaded", "")


def test_each_is_reported_by_name_and_the_engine_trades_on(
    broken: Home, start: Callable[[Home], EngineProcess]
) -> None:
    engine = start(broken).until_listening()
    state = engine.state()
    check_reports(state["plugins"])
    for name, how in BROKEN.items():
        instance = state[how.kind][name]
        assert instance["status"] == "unavailable"
        assert how.told in instance["reason"]
        assert f"{how.kind}.{name}: plugin {name}: " in broken.log()
    for name, (_, told) in DEFECTIVE.items():
        engine.wait(lambda name=name, told=told: told in engine.state()["accounts"][name]["reason"])  # type: ignore[misc]

    engine.accept(symbol="BTCUSDT.P", direction="long", size="50/100", price="50000")
    engine.until_position("BTCUSDT", "0.09")
    engine.accept(symbol="BTCUSDT.P", direction="short", size="-50/100", price="50000")
    engine.until_position("BTCUSDT", "-0.09")
    assert engine.get("/healthz")[0] == 200
    assert engine.stop() == 0


def test_a_new_package_cannot_take_the_name_of_a_plugin_in_use(
    home: Home, start: Callable[[Home], EngineProcess]
) -> None:
    first = start(home).until_ready()
    first.accept(symbol="BTCUSDT.P", direction="long", size="50/100", price="50000")
    first.until_position("BTCUSDT", "0.09")
    assert first.stop() == 0
    install(home, "paper", distribution="te-test-intruder")

    second = start(home).until_ready()
    second.accept(symbol="BTCUSDT.P", direction="flat", price="50000")
    second.until_position("BTCUSDT", "0")
    told = "te-test-intruder also offers a plugin paper and is ignored: keeping te-exchange-paper"
    assert told in home.log()
    assert told in te(home, "plugins").stderr
    second.wait(lambda: told in home.events())
    home.tree["plugins"] = {"paper": {"distribution": "te-test-intruder"}}
    home.write()
    second.wait(lambda: "plugins.paper.distribution has changed: restart the engine" in home.log())
    assert second.stop() == 0
    start(home).until_ready()
    assert "account=paper: opened" in home.log()


def test_the_commands_report_each_by_name_and_reason(broken: Home) -> None:
    listed = te(broken, "plugins", "--json")
    assert listed.returncode == 0
    plugins = json.loads(listed.stdout)["plugins"]
    check_reports(plugins)
    assert told_of(plugins, "late")["instances"] == ["sources.late"]
    assert "Traceback" in told_of(plugins, "broken-import")["traceback"]

    checked = te(broken, "check", "--json")
    assert checked.returncode == 1
    unavailable = json.loads(checked.stdout)["unavailable"]
    assert unavailable.keys() == {
        *(f"{how.kind}.{name}" for name, how in BROKEN.items()),
        "accounts.twin",
        "accounts.never",
    }
    assert all(how.told in unavailable[f"{how.kind}.{name}"] for name, how in BROKEN.items())
    assert json.loads(checked.stdout)["accounts"] == ["paper", *DEFECTIVE]

    unseen = te(broken, "plugins", "--json", "--no-import")
    assert told_of(json.loads(unseen.stdout)["plugins"], "broken-import")["status"] == "installed"


def test_strict_settings_refuse_to_start_without_them(
    broken: Home, start: Callable[[Home], EngineProcess]
) -> None:
    broken.tree["engine"]["strict"] = True
    broken.write()
    assert start(broken).exit_code() == 2
    for name, how in BROKEN.items():
        assert f"{how.kind}.{name}" in broken.log()


def test_a_blocking_import_delays_nothing_and_takes_effect_late(
    home: Home, start: Callable[[Home], EngineProcess], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    waiting = f"""
    import pathlib, threading
    while not pathlib.Path({str(gate)!r}).exists():
        threading.Event().wait(0.02)
    """
    install(home, "slow", waiting + WITNESS)
    home.tree["accounts"]["slow"] = {"plugin": "slow", "balance": 20_000}
    home.write()

    with ThreadPoolExecutor() as beside:
        listing = beside.submit(te, home, "plugins", "--json")
        engine = start(home).until_listening()
        told = told_of(json.loads(listing.result().stdout)["plugins"], "slow")
    assert told["status"] == "loading"
    assert "its import takes longer than" in told["reason"]
    state = engine.state()
    assert told_of(state["plugins"], "slow")["status"] == "loading"
    assert state["accounts"]["slow"]["status"] == "unavailable"
    assert "accounts.slow: plugin slow: its import takes longer" in home.log()
    engine.accept(symbol="BTCUSDT.P", direction="long", size="50/100", price="50000")
    engine.until_position("BTCUSDT", "0.09")

    gate.touch()
    engine.until_position("BTCUSDT", "0.18", "slow")
    assert told_of(engine.state()["plugins"], "slow")["status"] == "loaded"
    assert engine.position("BTCUSDT", "paper") == engine.position("BTCUSDT", "slow") / 2


def test_the_engine_stops_at_once_though_an_import_hangs(
    home: Home, start: Callable[[Home], EngineProcess]
) -> None:
    gate = home.folder / "importing"
    install(
        home,
        "stuck",
        f"import pathlib, threading\npathlib.Path({str(gate)!r}).touch()\nthreading.Event().wait()\n",
    )
    home.tree["accounts"]["stuck"] = {"plugin": "stuck"}
    home.write()
    engine = start(home)
    engine.wait(gate.exists)
    assert engine.stop() == 0
    assert home.stdout.read_text() == "stopped\n"
    assert "Traceback" not in home.log()

    engine = start(home).until_listening()
    assert engine.stop() == 0
