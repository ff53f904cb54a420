"""Settings are saved while the engine runs: what they say is done, and what they do not touch goes on undisturbed."""

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


class Desk:
    """An engine whose accounts hold something, and what must not change while it is told something else."""

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
        """How often an account was opened, by its own word."""
        return self.home.log().count(f"account={account}: opened")

    def accepted(self, source: str) -> int:
        """How many alerts a source's instance took: it counts from its own beginning."""
        counters = self.engine.wait(lambda: self.engine.state()["sources"][source]["counters"])
        return int(counters["accepted"])

    def say(self, symbol: str, percent: int, source: str = "tradingview") -> None:
        self.engine.accept(source=source, symbol=symbol, direction="long", size=f"{percent}/100")

    def say_until_taken(self, symbol: str, percent: int) -> None:
        """Send an alert again, as its sender does, until the source has begun anew with its changed section."""
        alert = {"symbol": symbol, "direction": "long", "size": f"{percent}/100", "event_id": symbol}
        self.engine.wait(lambda: self.engine.post(alert)[0] == 200)


@pytest.fixture
def desk(tmp_path: Path, start: Callable[[Home], EngineProcess]) -> Desk:
    """Both accounts hold 0.06 BTC and 0.6 ETH."""
    home = Home(tmp_path / "home", TREE)
    install(home, "witness")
    made = Desk(home, start(home).until_ready())
    made.say(BTC, 50)
    made.say(ETH, 25)
    for account in ("left", "right"):
        made.engine.until_position(BTC, "0.06", account)
        made.engine.until_position(ETH, "0.6", account)
    made.engine.wait(made.engine.at_rest)
    assert (made.openings("left"), made.openings("right")) == (1, 1)
    return made


@pytest.fixture
def undisturbed(desk: Desk) -> Callable[..., None]:
    """Check that nothing was restarted but what is named, and that what is held of ETH was not even looked at."""
    before = {name: desk.openings(name) for name in ("left", "right")}
    accepted = {name: desk.accepted(name) for name in ("tradingview", "other")}
    revision = desk.target(ETH)["revision"]

    def check(*, but: str = "") -> None:
        for name, count in before.items():
            assert desk.openings(name) == count or name == but
        for name, count in accepted.items():
            assert name == but or desk.accepted(name) >= count
        assert desk.target(ETH, "left" if but != "left" else "right")["revision"] == revision

    return check


def test_a_weight_resizes_its_symbol_and_nothing_else(desk: Desk, undisturbed: Callable[..., None]) -> None:
    desk.section("symbols", BTC, "weights")["tradingview"] = 0.15
    desk.save()
    for account in ("left", "right"):
        desk.until(BTC, "0.03", account)
    assert desk.engine.state()["symbols"][BTC]["weights"]["tradingview"] == "0.15"
    undisturbed()


def test_a_leverage_resizes_its_symbol_and_nothing_else(desk: Desk, undisturbed: Callable[..., None]) -> None:
    desk.section("symbols", BTC)["leverage"] = 1
    desk.save()
    desk.until(BTC, "0.03")
    assert desk.target(BTC)["leverage"] == "1"
    undisturbed()


def test_a_mapping_is_in_force_at_once_and_restarts_only_its_source(
    desk: Desk, undisturbed: Callable[..., None]
) -> None:
    desk.say(BTC, 20, source="other")
    alert = {"symbol": "XBTUSDTM", "direction": "long", "size": "100/100"}
    status, answer = desk.engine.post(alert)
    assert status == 422
    assert '"XBTUSDTM"' in answer["error"]["hint"]
    desk.section("sources", "tradingview", "symbols")["XBTUSDTM"] = BTC
    desk.save()
    desk.engine.wait(lambda: desk.engine.post(alert)[0] == 200)
    desk.until(BTC, "0.128")
    assert desk.accepted("other") == 1
    undisturbed(but="tradingview")


def test_an_added_symbol_is_traded(desk: Desk, undisturbed: Callable[..., None]) -> None:
    desk.section("sources", "tradingview", "symbols")["SOLUSDT"] = "SOLUSDT"
    desk.section("symbols")["SOLUSDT"] = {"weights": {"tradingview": 0.1}}
    desk.save()
    desk.say_until_taken("SOLUSDT", 50)
    desk.until("SOLUSDT", "5")
    undisturbed(but="tradingview")


def test_a_removed_symbol_is_closed(desk: Desk, undisturbed: Callable[..., None]) -> None:
    del desk.section("symbols")[BTC]
    desk.save()
    desk.until(BTC, "0")
    assert BTC not in desk.engine.state()["symbols"]
    undisturbed()


def test_an_added_account_is_brought_to_the_targets(desk: Desk, undisturbed: Callable[..., None]) -> None:
    desk.section("accounts")["third"] = {**desk.section("accounts", "left"), "balance": 20_000}
    desk.save()
    desk.engine.wait(lambda: "third" in desk.engine.state()["accounts"])
    desk.until(BTC, "0.12", "third")
    desk.until(ETH, "1.2", "third")
    undisturbed()


def test_a_disabled_account_closes_and_rests_and_an_enabled_one_comes_back(
    desk: Desk, undisturbed: Callable[..., None]
) -> None:
    desk.section("accounts", "right")["enabled"] = False
    desk.save()
    desk.engine.wait(lambda: desk.engine.state()["accounts"]["right"]["enabled"] is False)
    desk.until(BTC, "0", "right")
    desk.until(ETH, "0", "right")
    desk.say(BTC, 100)
    desk.until(BTC, "0.12", "left")
    assert desk.engine.position(BTC, "right") == 0

    desk.section("accounts", "right")["enabled"] = True
    desk.save()
    desk.until(BTC, "0.12", "right")
    desk.until(ETH, "0.6", "right")
    undisturbed(but="right")


def test_an_accounts_own_option_restarts_that_account_alone(
    desk: Desk, undisturbed: Callable[..., None]
) -> None:
    desk.section("accounts", "right")["slippage"] = 0.001
    desk.save()
    desk.engine.wait(lambda: desk.openings("right") == 2)
    desk.engine.wait(desk.engine.at_rest)
    assert desk.engine.position(BTC, "right") == Decimal("0.06")
    undisturbed(but="right")


def test_an_accounts_leverage_and_limit_resize_it_without_a_restart(
    desk: Desk, undisturbed: Callable[..., None]
) -> None:
    desk.section("accounts", "right")["leverage"] = 1
    desk.save()
    desk.until(BTC, "0.03", "right")
    desk.until(ETH, "0.3", "right")
    assert desk.engine.position(BTC, "left") == Decimal("0.06")
    assert desk.openings("right") == 1
    undisturbed()


def test_a_disabled_source_loses_its_share(desk: Desk) -> None:
    desk.say(BTC, 50, source="other")
    desk.until(BTC, "0.08")
    desk.section("sources", "tradingview")["enabled"] = False
    desk.save()
    desk.until(BTC, "0.02")
    desk.until(ETH, "0")
    status, answer = desk.engine.post(
        {"symbol": BTC, "direction": "short", "size": "50/100", "price": "50000"}
    )
    assert status == 200
    assert "no say at present" in answer["note"]
    assert desk.accepted("other") == 1
    desk.until(BTC, "0.02")

    desk.section("sources", "tradingview")["enabled"] = True
    desk.save()
    desk.until(BTC, "-0.04")  # what it said while it was disabled is its newest signal
    desk.until(ETH, "0.6")


def test_an_exchange_plugin_is_switched_off_and_on(desk: Desk) -> None:
    desk.section("accounts")["paper"] = {**desk.section("accounts", "left"), "plugin": "paper"}
    desk.home.tree["plugins"] = {"witness": {"enabled": False}}
    desk.save()
    statuses = {"left": "disabled", "right": "disabled", "paper": "running"}
    desk.engine.wait(lambda: {n: a["status"] for n, a in desk.engine.state()["accounts"].items()} == statuses)
    desk.say(BTC, 100)
    desk.until(BTC, "0.12", "paper")
    assert desk.home.log().count(": closed") == 2
    assert "left as they are" in desk.engine.state()["accounts"]["left"]["reason"]

    desk.home.tree["plugins"] = {"witness": {"enabled": True}}
    desk.save()
    for account in ("left", "right"):
        desk.until(BTC, "0.12", account)
        assert desk.openings(account) == 2


def test_a_signal_plugin_is_switched_off_and_on(desk: Desk) -> None:
    desk.home.tree["plugins"] = {"tradingview": {"enabled": False}}
    desk.save()
    desk.until(BTC, "0")
    assert {s["status"] for s in desk.engine.state()["sources"].values()} == {"disabled"}
    assert desk.engine.post({"symbol": BTC, "direction": "flat"})[0] == 503

    del desk.home.tree["plugins"]
    desk.save()
    desk.until(BTC, "0.06")
    desk.say(BTC, 100)
    desk.until(BTC, "0.12")


def test_an_installed_plugin_that_nobody_used_is_taken_into_use(
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


def test_a_new_token_is_in_force_at_once_and_the_old_one_is_not(
    desk: Desk, undisturbed: Callable[..., None]
) -> None:
    alert = {"symbol": BTC, "direction": "flat", "size": "0"}
    fresh = "another-token-of-tradingview"
    assert desk.engine.post(alert, token=fresh)[0] == 401
    desk.home.write_secrets(f'[sources.tradingview]\ntoken = "{fresh}"\n[sources.other]\ntoken = "{TOKEN}"\n')
    desk.engine.wait(
        lambda: desk.engine.state()["sources"]["tradingview"]["counters"].get("unauthorised") == 0
    )
    assert desk.engine.post(alert, token=fresh)[0] == 200
    assert desk.engine.post(alert, token=TOKEN)[0] == 401
    desk.say(BTC, 10, source="other")
    undisturbed(but="tradingview")


def test_the_same_settings_written_again_do_nothing(desk: Desk, undisturbed: Callable[..., None]) -> None:
    before = desk.engine.standing()
    desk.home.settings.write_text("# a comment more\n" + desk.home.settings.read_text())
    desk.engine.wait(lambda: "settings: nothing has changed" in desk.home.log())
    assert desk.engine.standing() == before
    undisturbed()
