"""Settings are saved while the engine runs: changes are applied, and everything else continues undisturbed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import TOKEN, Home
from tests.end_to_end.packages import install

pytestmark = pytest.mark.real_clock

BTC, ETH = "BTCUSDT", "ETHUSDT"
TREE: dict[str, Any] = {
    "listen": {"public": {"port": 0}, "private": {"port": 0}},
    "sources": {
        "tradingview": {"plugin": "tradingview", "symbols": {BTC: BTC, ETH: ETH}},
        "other": {"plugin": "tradingview", "symbols": {BTC: BTC}},
    },
    "accounts": {
        name: {
            "plugin": "witness",
            "balance": 10_000,
            "fee": 0,
            "slippage": 0,
            "prices": {BTC: "50000", ETH: "2500", "SOLUSDT": "100"},
        }
        for name in ("left", "right")
    },
    "symbols": {
        BTC: {"leverage": 2, "weights": {"tradingview": 0.3, "other": 0.1}},
        ETH: {"leverage": 2, "weights": {"tradingview": 0.3}},
    },
}


class Harness:
    """An engine whose accounts hold something, and what must not change while its settings do."""

    def __init__(self, home: Home, engine: EngineProcess) -> None:
        self.home = home
        self.engine = engine

    def save(self) -> None:
        self.home.write()

    def section(self, *path: str) -> Any:
        found: Any = self.home.tree
        for key in path:
            found = found[key]
        return found

    def target(self, symbol: str, account: str = "left") -> Any:
        return self.engine.state()["accounts"][account]["targets"].get(symbol)

    def until(self, symbol: str, size: str, account: str = "left") -> None:
        self.engine.until_position(symbol, size, account)

    def openings(self, account: str) -> int:
        """How often an account was opened, as it reports."""
        return self.home.log().count(f"account={account}: opened")

    def accepted(self, source: str) -> int:
        """How many alerts a source's instance accepted, counted from its own start."""
        counters = self.engine.wait(lambda: self.engine.state()["sources"][source]["counters"])
        return int(counters["accepted"])

    def say(self, symbol: str, percent: int, source: str = "tradingview") -> None:
        self.engine.accept(source=source, symbol=symbol, direction="long", size=f"{percent}/100")

    def say_until_taken(self, symbol: str, percent: int) -> None:
        """Send an alert again, as its sender does, until the source has restarted with its changed section."""
        alert = {"symbol": symbol, "direction": "long", "size": f"{percent}/100", "event_id": symbol}
        self.engine.wait(lambda: self.engine.post(alert)[0] == 200)


@pytest.fixture
def harness(tmp_path: Path, start: Callable[[Home], EngineProcess]) -> Harness:
    """Both accounts hold 0.06 BTC and 0.6 ETH."""
    home = Home(tmp_path / "home", TREE)
    install(home, "witness")
    made = Harness(home, start(home).until_ready())
    made.say(BTC, 50)
    made.say(ETH, 25)
    for account in ("left", "right"):
        made.engine.until_position(BTC, "0.06", account)
        made.engine.until_position(ETH, "0.6", account)
    made.engine.wait(made.engine.at_rest)
    assert (made.openings("left"), made.openings("right")) == (1, 1)
    return made


@pytest.fixture
def undisturbed(harness: Harness) -> Callable[..., None]:
    """Check that only the named instances were restarted, and that the ETH positions were not even read."""
    before = {name: harness.openings(name) for name in ("left", "right")}
    accepted = {name: harness.accepted(name) for name in ("tradingview", "other")}
    revision = harness.target(ETH)["revision"]

    def check(*, but: str = "") -> None:
        for name, count in before.items():
            assert harness.openings(name) == count or name == but
        for name, count in accepted.items():
            assert name == but or harness.accepted(name) >= count
        assert harness.target(ETH, "left" if but != "left" else "right")["revision"] == revision

    return check


def test_a_weight_resizes_its_symbol_and_nothing_else(
    harness: Harness, undisturbed: Callable[..., None]
) -> None:
    harness.section("symbols", BTC, "weights")["tradingview"] = 0.15
    harness.save()
    for account in ("left", "right"):
        harness.until(BTC, "0.03", account)
    assert harness.engine.state()["symbols"][BTC]["weights"]["tradingview"] == "0.15"
    undisturbed()


def test_a_leverage_resizes_its_symbol_and_nothing_else(
    harness: Harness, undisturbed: Callable[..., None]
) -> None:
    harness.section("symbols", BTC)["leverage"] = 1
    harness.save()
    harness.until(BTC, "0.03")
    assert harness.target(BTC)["leverage"] == "1"
    undisturbed()


def test_a_mapping_applies_at_once_and_restarts_only_its_source(
    harness: Harness, undisturbed: Callable[..., None]
) -> None:
    harness.say(BTC, 20, source="other")
    alert = {"symbol": "XBTUSDTM", "direction": "long", "size": "100/100"}
    status, answer = harness.engine.post(alert)
    assert status == 422
    assert '"XBTUSDTM"' in answer["error"]["hint"]
    harness.section("sources", "tradingview", "symbols")["XBTUSDTM"] = BTC
    harness.save()
    harness.engine.wait(lambda: harness.engine.post(alert)[0] == 200)
    harness.until(BTC, "0.128")
    assert harness.accepted("other") == 1
    undisturbed(but="tradingview")


def test_an_added_symbol_is_traded(harness: Harness, undisturbed: Callable[..., None]) -> None:
    harness.section("sources", "tradingview", "symbols")["SOLUSDT"] = "SOLUSDT"
    harness.section("symbols")["SOLUSDT"] = {"weights": {"tradingview": 0.1}}
    harness.save()
    harness.say_until_taken("SOLUSDT", 50)
    harness.until("SOLUSDT", "5")
    undisturbed(but="tradingview")


def test_a_removed_symbol_is_closed(harness: Harness, undisturbed: Callable[..., None]) -> None:
    del harness.section("symbols")[BTC]
    harness.save()
    harness.until(BTC, "0")
    assert BTC not in harness.engine.state()["symbols"]
    undisturbed()


def test_an_added_account_is_brought_to_the_targets(
    harness: Harness, undisturbed: Callable[..., None]
) -> None:
    harness.section("accounts")["third"] = {**harness.section("accounts", "left"), "balance": 20_000}
    harness.save()
    harness.engine.wait(lambda: "third" in harness.engine.state()["accounts"])
    harness.until(BTC, "0.12", "third")
    harness.until(ETH, "1.2", "third")
    undisturbed()


def test_a_disabled_account_closes_and_an_enabled_one_returns(
    harness: Harness, undisturbed: Callable[..., None]
) -> None:
    harness.section("accounts", "right")["enabled"] = False
    harness.save()
    harness.engine.wait(lambda: harness.engine.state()["accounts"]["right"]["enabled"] is False)
    harness.until(BTC, "0", "right")
    harness.until(ETH, "0", "right")
    harness.say(BTC, 100)
    harness.until(BTC, "0.12", "left")
    assert harness.engine.position(BTC, "right") == 0

    harness.section("accounts", "right")["enabled"] = True
    harness.save()
    harness.until(BTC, "0.12", "right")
    harness.until(ETH, "0.6", "right")
    undisturbed(but="right")


def test_an_accounts_own_option_restarts_that_account_alone(
    harness: Harness, undisturbed: Callable[..., None]
) -> None:
    harness.section("accounts", "right")["slippage"] = 0.001
    harness.save()
    harness.engine.wait(lambda: harness.openings("right") == 2)
    harness.engine.wait(harness.engine.at_rest)
    assert harness.engine.position(BTC, "right") == Decimal("0.06")
    undisturbed(but="right")


def test_leverage_and_limits_resize_an_account_without_a_restart(
    harness: Harness, undisturbed: Callable[..., None]
) -> None:
    harness.section("accounts", "right")["leverage"] = 1
    harness.save()
    harness.until(BTC, "0.03", "right")
    harness.until(ETH, "0.3", "right")
    assert harness.engine.position(BTC, "left") == Decimal("0.06")
    assert harness.openings("right") == 1
    undisturbed()


def test_a_disabled_source_loses_its_share(harness: Harness) -> None:
    harness.say(BTC, 50, source="other")
    harness.until(BTC, "0.08")
    harness.section("sources", "tradingview")["enabled"] = False
    harness.save()
    harness.until(BTC, "0.02")
    harness.until(ETH, "0")
    status, answer = harness.engine.post(
        {"symbol": BTC, "direction": "short", "size": "50/100", "price": "50000"}
    )
    assert status == 200
    assert "not counted at present" in answer["note"]
    assert harness.accepted("other") == 1
    harness.until(BTC, "0.02")

    harness.section("sources", "tradingview")["enabled"] = True
    harness.save()
    harness.until(BTC, "-0.04")  # its alert while disabled is its newest signal
    harness.until(ETH, "0.6")


def test_an_exchange_plugin_is_switched_off_and_on(harness: Harness) -> None:
    harness.section("accounts")["paper"] = {**harness.section("accounts", "left"), "plugin": "paper"}
    harness.home.tree["plugins"] = {"witness": {"enabled": False}}
    harness.save()
    statuses = {"left": "disabled", "right": "disabled", "paper": "running"}
    harness.engine.wait(
        lambda: {n: a["status"] for n, a in harness.engine.state()["accounts"].items()} == statuses
    )
    harness.say(BTC, 100)
    harness.until(BTC, "0.12", "paper")
    assert harness.home.log().count(": closed") == 2
    assert "left unchanged" in harness.engine.state()["accounts"]["left"]["reason"]

    harness.home.tree["plugins"] = {"witness": {"enabled": True}}
    harness.save()
    for account in ("left", "right"):
        harness.until(BTC, "0.12", account)
        assert harness.openings(account) == 2


def test_a_signal_plugin_is_switched_off_and_on(harness: Harness) -> None:
    harness.home.tree["plugins"] = {"tradingview": {"enabled": False}}
    harness.save()
    harness.until(BTC, "0")
    assert {s["status"] for s in harness.engine.state()["sources"].values()} == {"disabled"}
    assert harness.engine.post({"symbol": BTC, "direction": "flat"})[0] == 503

    del harness.home.tree["plugins"]
    harness.save()
    harness.until(BTC, "0.06")
    harness.say(BTC, 100)
    harness.until(BTC, "0.12")


def test_an_installed_but_unused_plugin_is_loaded(
    tmp_path: Path, start: Callable[[Home], EngineProcess]
) -> None:
    home = Home(tmp_path / "home")
    install(home, "witness")
    engine = start(home).until_ready()
    found = {plugin["name"]: plugin["status"] for plugin in engine.state()["plugins"]}
    assert (found["paper"], found["witness"]) == ("loaded", "installed")
    engine.accept(symbol=BTC, direction="long", size="50/100", price="50000")

    home.tree["accounts"]["new"] = {"plugin": "witness", "balance": 100_000}
    home.write()
    engine.wait(lambda: engine.state()["accounts"].get("new", {}).get("status") == "running")
    engine.until_position(BTC, "0.9", "new")
    assert "account=new: opened" in home.log()


def test_a_new_token_applies_at_once_and_the_old_one_ends(
    harness: Harness, undisturbed: Callable[..., None]
) -> None:
    alert = {"symbol": BTC, "direction": "flat", "size": "0"}
    fresh = "another-token-of-tradingview"
    assert harness.engine.post(alert, token=fresh)[0] == 401
    harness.home.write_secrets(
        f'[sources.tradingview]\ntoken = "{fresh}"\n[sources.other]\ntoken = "{TOKEN}"\n'
    )
    harness.engine.wait(
        lambda: harness.engine.state()["sources"]["tradingview"]["counters"].get("unauthorised") == 0
    )
    assert harness.engine.post(alert, token=fresh)[0] == 200
    assert harness.engine.post(alert, token=TOKEN)[0] == 401
    harness.say(BTC, 10, source="other")
    undisturbed(but="tradingview")


def test_the_same_settings_written_again_do_nothing(
    harness: Harness, undisturbed: Callable[..., None]
) -> None:
    before = harness.engine.standing()
    harness.home.settings.write_text("# a comment more\n" + harness.home.settings.read_text())
    harness.engine.wait(lambda: "settings: nothing has changed" in harness.home.log())
    assert harness.engine.standing() == before
    undisturbed()
