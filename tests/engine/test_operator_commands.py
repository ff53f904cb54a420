"""Halts, flattens, resumes, pauses and manual depths: their effect on orders, and that they persist."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import Instrument, NotReady, OrderRequest
from te_core.errors import CommandRefused, JournalError
from te_core.model.control import Action, Command, Control
from te_core.rules.decision import Decision
from te_core.rules.plan import OrderStep
from te_core.testing.faults import Fault
from tests.engine.scene import Scene, scene

D = Decimal
HALT, FLATTEN, RESUME, PAUSE, TARGET, GO, _ = Action


def increases(world: Scene, since: int = 0) -> list[OrderRequest]:
    """Return the orders that increase risk, after the first ``since`` orders."""
    return [order for order in world.sent()[since:] if not order.reduce_only]


def in_chunks(world: Scene, of: str) -> None:
    """Limit the exchange to orders of at most that size."""
    world.exchange().instrument_of = lambda symbol: Instrument(
        symbol=symbol, quantity_step=D("0.001"), minimum_quantity=D("0.001"), largest_market_quantity=D(of)
    )


# -- halt


async def test_a_halted_account_closes_nothing_and_only_reduces(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        await world.command(HALT, "one", reason="news", wait=60)
        assert world.held() == D("0.1")
        await world.say("0.8", wait=60)
        assert world.held() == D("0.1"), "no increase"
        await world.say("0.3", "ETHUSDT", wait=60)
        assert world.held("ETHUSDT") == 0
        await world.say("0.2", wait=60)
        assert world.held() == D("0.04"), "reductions go on"
        await world.say("-0.4", wait=60)
        assert world.held() == 0, "a flip closes and does not open"


async def test_a_halt_is_shown_first_and_nothing_of_it_is_at_target(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        assert world.at_target()
        await world.command(HALT, "one", symbol="BTCUSDT", reason="news", wait=30)
        await world.say("0.5", "ETHUSDT", wait=30)
        assert world.row()["status"] == "halted"
        assert "halted by alice" in world.row()["reason"]
        assert "news" in world.row()["reason"]
        assert world.at_target("ETHUSDT")
        state = world.whole_state()
        assert state["engine"]["status"] == "halted"
        assert [(halt["scope"], halt["symbol"]) for halt in state["commands"]] == [("one", "BTCUSDT")]
        (event,) = world.events("halt")
        assert (event.detail["by"], event.detail["reason"]) == ("alice", "news")
        assert (event.account, event.symbol) == ("one", "BTCUSDT")
        await world.command(RESUME, wait=30)
        assert world.at_target()
        assert world.whole_state()["engine"]["status"] == "ready"


@pytest.mark.parametrize("streams", [False, True])
async def test_a_halt_in_the_middle_of_a_plan_stops_further_increases(tmp_path: Path, streams: bool) -> None:
    async with scene(tmp_path, streams=streams) as world:
        in_chunks(world, "0.01")
        await world.restart()  # trading rules are read again
        world.connection().faults = lambda method, call: (
            Fault(answer_delay=0.5) if method == "place_order" else None
        )
        await world.say("0.5", wait=1.6)
        sent = len(world.sent())
        assert 2 <= sent < 10
        await world.command(HALT, wait=60)
        assert len(world.sent()) == sent
        assert world.held() == sent * D("0.01")
        await world.command(RESUME, wait=120)
        assert world.held() == D("0.1"), "it goes on"


async def test_a_halt_during_a_flip_lets_it_close_and_opens_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        in_chunks(world, "0.02")
        await world.restart()  # trading rules are read again
        world.connection().faults = lambda method, call: (
            Fault(answer_delay=0.5) if method == "place_order" else None
        )
        before = len(world.sent())
        await world.say("-0.5", wait=1.2)
        assert 0 < world.held() < D("0.1")
        await world.command(HALT, "one", wait=60)
        assert world.held() == 0
        assert not increases(world, before)


async def test_a_halt_holds_through_restarts_crashes_and_edits(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        await world.command(HALT, "one", wait=5)
        await world.say("0.8", wait=30)
        await world.restart()
        await world.edit("accounts.one.drift", "heal", wait=60)
        await world.edit("accounts.one.enabled", False, wait=60)
        assert world.held() == 0, "a disabled account closes"
        await world.edit("accounts.one.enabled", True, wait=60)
        await world.edit("accounts.one.key", "other", wait=60)
        assert world.held(key="other") == 0
        assert world.held() == 0


async def test_one_account_is_resumed_out_of_a_halt_of_all(tmp_path: Path) -> None:
    two = {"plugin": "fake", "observe": False, "key": "two"}
    async with scene(tmp_path, accounts__two=two) as world:
        await world.command(HALT)
        await world.say("0.5", wait=30)
        assert not any((world.held(), world.held(key="two")))
        await world.command(RESUME, "two", wait=30)
        assert (world.held(), world.held(key="two")) == (D(0), D("0.1"))
        assert [row["text"].split(":")[0] for row in world.whole_state()["commands"]] == [
            "all accounts but two"
        ]
        assert world.whole_state()["engine"]["status"] == "halted"
        await world.command(RESUME, "one", wait=30)
        assert world.whole_state()["engine"]["status"] == "ready", "no account is halted any more"


async def test_what_a_halt_held_back_is_sized_again(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.command(HALT, "one")
        await world.say("0.5", wait=30)
        world.exchange().price["BTCUSDT"] = D("100000")
        await world.command(RESUME, "one", wait=60)
        assert world.held() == D("0.05")


async def test_names_that_are_not_there_are_refused(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        with pytest.raises(CommandRefused, match=r"accounts\.nobody"):
            await world.command(HALT, "nobody")
        with pytest.raises(CommandRefused, match=r"sources\.nobody"):
            await world.command(PAUSE, sources=("nobody",))
        with pytest.raises(CommandRefused, match=r"BTCUSD is .*did you mean 'BTCUSDT'"):
            await world.command(HALT, symbol="BTCUSD")
        with pytest.raises(CommandRefused, match=r"symbols\.DOGEUSDT"):
            await world.command(TARGET, "one", symbol="DOGEUSDT", depth=D(1))
        assert not (await world.command(RESUME, "one")).set
        assert not world.events("resume")


async def test_an_unpersisted_halt_holds_and_a_resume_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        append = world.journal.append

        def failing(*entries: Any, **how: Any) -> Any:
            if not any(isinstance(entry, Control) for entry in entries):
                return append(*entries, **how)
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(JournalError("disk full"))
            return refused

        monkeypatch.setattr(world.journal, "append", failing)
        with pytest.raises(JournalError, match="active, but not persisted"):
            await world.command(HALT)
        await world.say("0.8", wait=30)
        assert world.held() == D("0.1")
        with pytest.raises(JournalError, match="disk full"):
            await world.command(RESUME)
        await asyncio.sleep(30)
        assert world.held() == D("0.1")


# -- flatten


async def test_a_flatten_closes_everything_and_nothing_comes_back(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        await world.say("-0.3", "ETHUSDT", wait=30)
        before = len(world.sent())
        await world.command(FLATTEN, reason="enough", wait=5)
        assert not any((world.held(), world.held("ETHUSDT")))
        assert [event.text for event in world.events("flatten")][-1].startswith("flatten: everything")
        await world.say("0.9", wait=60)
        await world.restart(wait=60)
        await asyncio.sleep(120)
        assert not any((world.held(), world.held("ETHUSDT")))
        assert not increases(world, before)
        assert len([e for e in world.events("flatten") if "everything" in e.text]) == 1
        await world.command(RESUME, wait=60)
        assert world.held() == D("0.18")


async def test_only_a_foreign_flatten_touches_foreign_positions(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        exchange = world.exchange()
        exchange.hold("SOLUSDT", "7")
        exchange.price["DOGEUSDT"] = D("0.1")
        exchange.hold("DOGEUSDT", "-900")
        await world.say("0.5", wait=30)
        await world.say("0.5", "SOLUSDT", wait=30)
        await world.command(FLATTEN, wait=60)
        assert (world.held(), world.held("SOLUSDT"), world.held("DOGEUSDT")) == (D(0), D(7), D(-900))
        assert "everything" in world.events("flatten")[-1].text
        await world.command(FLATTEN, "one", foreign=True, wait=60)
        assert not any((world.held("SOLUSDT"), world.held("DOGEUSDT")))
        exchange.hold("DOGEUSDT", "50")
        await asyncio.sleep(200)
        await world.command(RESUME, wait=200)
        assert world.held("DOGEUSDT") == 50, "what is opened by hand later is not the engine's"


@pytest.mark.parametrize("drift", ["alert", "reduce"])
async def test_drift_policy_limits_and_pauses_do_not_stop_the_closing(tmp_path: Path, drift: str) -> None:
    limits = {"orders_per_minute": 1, "order_notional": 2000}
    async with scene(tmp_path, accounts__one__drift=drift) as world:
        await world.say("0.5", wait=30)
        await world.edit("accounts.one.limits", limits)
        await world.say("0", wait=60)
        world.exchange().hold("BTCUSDT", "0.3" if drift == "alert" else "0")
        await asyncio.sleep(100)
        await world.command(FLATTEN, "one", wait=30)
        assert world.held() == 0


async def test_a_flatten_retries_through_an_outage_and_reports_twice(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        refusing = Fault(refused=NotReady("502 bad gateway"))
        world.connection().faults = lambda method, call: refusing
        await world.command(FLATTEN, wait=300)
        assert world.held() == D("0.1")
        told = [event.text for event in world.events("flatten") if event.text.startswith("flatten: ")]
        assert len(told) == 1
        assert "still open" in told[0]
        assert "502" in told[0]
        world.connection().faults = lambda method, call: None
        await asyncio.sleep(90)
        assert world.held() == 0
        told = [event.text for event in world.events("flatten") if event.text.startswith("flatten: ")]
        assert len(told) == 2
        assert "everything" in told[1]


async def test_a_flatten_doubles_no_lost_order_over_restarts(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        in_chunks(world, "0.02")
        await world.say("0.5", wait=60)
        lost = Fault(answer_delay=30)
        world.connection().inject("place_order", None, lost)
        await world.command(FLATTEN, wait=3)
        await world.restart()
        await asyncio.sleep(120)
        assert world.held() == 0
        ids = [order.client_order_id for order in world.sent()]
        assert len(ids) == len(set(ids))
        closed = sum(order.quantity for order in world.exchange().requests if order.reduce_only)
        assert closed == D("0.1")


async def test_a_flatten_of_one_symbol_leaves_the_others_alone(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        await world.say("0.3", "ETHUSDT", wait=30)
        await world.command(FLATTEN, "one", symbol="BTCUSDT", wait=30)
        assert (world.held(), world.held("ETHUSDT")) == (D(0), D("1.2"))
        await world.say("0.6", "ETHUSDT", wait=60)
        assert world.held("ETHUSDT") == D("2.4")


# -- resume


async def plan(world: Scene, action: Action, *accounts: str, **more: Any) -> dict[str, list[str]]:
    """Return what a command would order, by symbol."""
    command = Command(action=action, by="alice", accounts=accounts, **more)
    _, previews = await world.engine.commands.preview(command)
    decisions = previews["one"]
    assert not isinstance(decisions, str | BaseException)
    found = {symbol: orders(decision) for symbol, decision in decisions.items()}
    return {symbol: steps for symbol, steps in found.items() if steps}


def orders(decision: Decision) -> list[str]:
    return [f"{s.side} {s.quantity:f}" for s in decision.plan.steps if isinstance(s, OrderStep)]


async def test_the_plan_of_a_command_is_what_it_then_does(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        world.exchange().hold("SOLUSDT", "7")
        await world.say("0.5", wait=30)
        assert await plan(world, FLATTEN) == {"BTCUSDT": ["sell 0.1"]}
        assert await plan(world, FLATTEN, foreign=True) == {"BTCUSDT": ["sell 0.1"], "SOLUSDT": ["sell 7"]}
        assert await plan(world, HALT) == {}
        await world.command(FLATTEN, wait=30)
        assert await plan(world, RESUME, "one") == {"BTCUSDT": ["buy 0.1"]}
        assert await plan(world, RESUME, from_next_signal=True) == {}
        assert await plan(world, TARGET, "one", symbol="BTCUSDT", depth=D(1)) == {}
        assert world.held() == 0
        await world.command(RESUME, wait=60)
        assert world.held() == D("0.1")
        assert await plan(world, PAUSE, sources=("tv",), close=True) == {"BTCUSDT": ["sell 0.1"]}
        assert await plan(world, PAUSE, sources=("tv",)) == {}
        assert await plan(world, TARGET, "one", symbol="BTCUSDT", depth=D(0)) == {"BTCUSDT": ["sell 0.1"]}


async def test_from_the_next_signal_on_old_opinions_do_not_count(tmp_path: Path) -> None:
    two = {"plugin": "pushed"}
    weights = {"tv": 0.5, "two": 0.5}
    async with scene(tmp_path, sources__two=two, symbols__BTCUSDT__weights=weights) as world:
        await world.say("0.4", "ETHUSDT", wait=1)
        await world.say("1", wait=1)
        await world.say("1", source="two", wait=30)
        assert world.held() == D("0.2")
        await world.command(FLATTEN, wait=30)
        await world.command(RESUME, from_next_signal=True, wait=60)
        assert not any((world.held(), world.held("ETHUSDT")))
        assert world.row()["status"] == "halted"
        await world.restart(wait=60)
        assert not any((world.held(), world.held("ETHUSDT"))), "also after a restart"
        await world.say("1", source="two", wait=60)
        assert (world.held(), world.held("ETHUSDT")) == (D("0.1"), D(0)), "the other one's does not count yet"
        await world.restart(wait=60)
        assert world.held() == D("0.1")
        await world.say("1", wait=60)
        assert world.held() == D("0.2")
        assert world.whole_state()["engine"]["status"] == "halted", "ETHUSDT still waits"
        await world.say("0.4", "ETHUSDT", wait=60)
        assert world.held("ETHUSDT") == D("1.6")
        assert world.whole_state()["engine"]["status"] == "ready"


async def test_what_is_held_stays_until_the_next_signal(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        await world.command(HALT, wait=10)
        await world.say("0.8", wait=30)
        await world.command(RESUME, from_next_signal=True, wait=60)
        assert world.held() == D("0.1")
        await world.say("0.8", wait=60)
        assert world.held() == D("0.16")


# -- pause


async def test_a_paused_source_is_journaled_and_ignored_until_resumed(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        await world.command(PAUSE, sources=("tv",), wait=5)
        await world.say("-0.5", wait=30)
        await world.say("0.7", "ETHUSDT", wait=30)
        assert (world.held(), world.held("ETHUSDT")) == (D("0.1"), D(0))
        assert world.whole_state()["sources"]["tv"]["status"] == "paused"
        await world.restart(wait=60)
        assert (world.held(), world.held("ETHUSDT")) == (D("0.1"), D(0)), "also after a restart"
        assert [signal.depth for signal in world.journal.signals(2)] == [D("0.7"), D("-0.5")]
        await world.command(RESUME, sources=("tv",), wait=60)
        assert (world.held(), world.held("ETHUSDT")) == (D("-0.1"), D("2.8"))


async def test_the_share_of_a_paused_source_is_closed_where_asked(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        await world.command(PAUSE, sources=("tv",), close=True, wait=30)
        assert world.held() == 0
        await world.say("0.7", wait=30)
        await world.command(PAUSE, sources=("tv",), wait=30)
        assert world.held() == 0, "held as it is: closed"
        await world.command(RESUME, sources=("tv",), wait=30)
        assert world.held() == D("0.14")


async def test_disabling_a_paused_source_closes_its_share(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        await world.command(PAUSE, sources=("tv",), wait=30)
        await world.edit("sources.tv.enabled", False, wait=30)
        assert world.held() == 0
        await world.edit("sources.tv.enabled", True, wait=30)
        assert world.held() == D("0.1"), "paused again, with the share that was held"


# -- by hand


async def test_a_position_closed_by_hand_stays_closed_until_a_signal(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        await world.command(TARGET, "one", symbol="BTCUSDT", depth=D(0), wait=30)
        assert world.held() == 0
        await world.restart(wait=60)
        assert world.held() == 0
        assert "by hand" in str(world.row()) or world.row()["depth"] == "0"
        await world.say("0.5", wait=60)
        assert world.held() == D("0.1")
        assert not [row for row in world.whole_state()["commands"] if row["topic"] == "target"]


async def test_a_depth_by_hand_goes_before_the_signals_and_ends(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        await world.command(
            TARGET, "one", symbol="BTCUSDT", depth=D("-0.2"), lasts=timedelta(hours=1), wait=30
        )
        assert world.held() == D("-0.04")
        await world.say("0.8", wait=1800)
        assert world.held() == D("-0.04")
        await world.restart(wait=60)
        assert world.held() == D("-0.04")
        await asyncio.sleep(1800)
        assert world.held() == D("0.16")
        assert "its time has expired" in world.events("target")[-1].text


async def test_a_halt_goes_before_a_depth_by_hand(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.command(HALT, "one")
        await world.command(TARGET, "one", symbol="BTCUSDT", depth=D("0.5"), wait=30)
        assert world.held() == 0
        await world.command(RESUME, "one", wait=30)
        assert world.held() == 0, "a resume ends what was set by hand"


# -- what the engine halts by itself


async def test_a_symbol_others_keep_trading_is_halted_until_resumed(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        for _ in range(5):
            world.exchange().hold("BTCUSDT", "0.3")
            await asyncio.sleep(60)
        assert world.held() == D("0.3"), "given up"
        (event,) = world.events("halt")
        assert event.symbol == "BTCUSDT"
        assert "halted by the engine" in event.text
        await world.restart(wait=5)
        before = len(world.sent())
        await world.say("0.8", wait=60)
        assert not increases(world, before)
        assert "someone else may be trading this symbol" in world.row()["halt"]
        await world.say("0.4", "ETHUSDT", wait=30)
        assert world.held("ETHUSDT") == D("1.6")
        await world.command(RESUME, "one", symbol="BTCUSDT", wait=30)
        assert world.held() == D("0.16")


async def test_an_order_of_another_engine_halts_its_symbol(tmp_path: Path) -> None:
    async with scene(tmp_path, streams=True) as world:
        await world.say("0.5", wait=30)
        world.exchange().push_order("7e" + "A" * 20, "BTCUSDT")
        await asyncio.sleep(700)
        await world.say("0.8", wait=30)
        await world.say("0.4", "ETHUSDT", wait=30)
        assert (world.held(), world.held("ETHUSDT")) == (D("0.1"), D("1.6"))
        assert "another engine" in world.row()["reason"]
        assert len(world.events("halt")) == 1
