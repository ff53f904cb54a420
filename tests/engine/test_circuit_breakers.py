"""Circuit breakers in a running engine: what trips them, what they stop, and that only the operator lifts them."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import FlowKind, NotReady, OrderRejected, OrderReport
from te_core.errors import CommandRefused
from te_core.model.cause import Cause
from te_core.model.control import Action
from te_core.testing.faults import Fault
from tests.engine.banked import Bank, bank

D = Decimal
RESUME, HALT = Action.RESUME, Action.HALT
DAILY = {"daily_loss": {"percent": 5}}
TWO: dict[str, Any] = {
    "accounts": {
        "one": {"plugin": "fake", "key": "1", "observe": False},
        "two": {"plugin": "fake", "key": "2", "observe": False},
    }
}


async def long(world: Bank, depth: str = "0.5", symbol: str = "BTCUSDT", **more: Any) -> None:
    await world.say(depth, symbol, wait=35, **more)


# -- what is recorded


async def test_fills_are_completed_off_the_critical_path(
    tmp_path: Path,
) -> None:
    async with bank(tmp_path) as world:
        world.bank().tells_price = False
        hung = Fault(delay=30)
        world.connection().inject("order_cost", hung)
        await world.say("0.5", wait=3)
        assert world.at_target(), "nothing waited for what the order cost"
        await world.say("0.25", wait=3)
        assert world.at_target()
        assert len(world.sent()) == 2
        await asyncio.sleep(60)
        sold, bought = world.journal.fills(9)
        assert (bought.price, bought.fee, bought.fee_currency) == (D(50_000), D("5.0"), "USDT")
        assert (sold.quantity, bought.shares) == (D("0.051"), {"tv": D(1)})
        intents = [record.intent for record in world.journal.intents(9)]
        assert [one.cause for one in intents] == [Cause.SIGNAL] * 2
        signals = world.journal.signals(9)
        assert [one.caused_at for one in intents] == [one.received_at for one in signals]
        assert len(world.bank().asked) == 2, "each once"


async def test_a_price_that_is_not_reported_stays_missing(tmp_path: Path) -> None:
    async with bank(tmp_path) as world:
        world.bank().tells_price = False

        async def nothing(symbol: str, client_order_id: str) -> OrderReport | None:
            found = world.bank().orders[client_order_id]
            return replace(found, average_price=None, fee=None, fee_currency="")

        world.bank().order_cost = nothing  # type: ignore[method-assign]
        await world.say("0.5", wait=120)
        (fill,) = world.journal.fills(9)
        assert (fill.price, fill.fee, fill.quantity) == (None, None, D("0.1"))


async def test_an_order_not_queried_before_a_crash_is_queried_after(tmp_path: Path) -> None:
    async with bank(tmp_path) as world:
        world.bank().tells_price = False
        world.connection().inject("order_cost", Fault(delay=1000))
        await world.say("0.5", wait=5)
        assert not world.journal.fills(9)
        await world.restart()
        await asyncio.sleep(3)
        (fill,) = world.journal.fills(9)
        assert (fill.price, fill.shares) == (D(50_000), {"tv": D(1)})


async def test_causes_name_settings_commands_drift_and_breakers(tmp_path: Path) -> None:
    async with bank(tmp_path, accounts__one__breakers=DAILY) as world:
        await long(world)
        await world.edit("symbols.BTCUSDT.weights.tv", "0.5", wait=5)
        await world.command(Action.TARGET, "one", symbol="BTCUSDT", depth=D("0.4"), wait=5)
        world.bank().hold("BTCUSDT", "0.15")
        await asyncio.sleep(40)
        await world.edit("accounts.one.breakers.daily_loss.action", "flatten")
        world.bank().price["BTCUSDT"] = D(40_000)
        await asyncio.sleep(60)
        causes = [record.intent.cause for record in reversed(world.journal.intents(99))]
        assert causes == [Cause.SIGNAL, Cause.SETTINGS, Cause.COMMAND, Cause.DRIFT, Cause.BREAKER]


async def test_an_accounts_value_is_recorded_over_restarts(tmp_path: Path) -> None:
    async with bank(tmp_path) as world:
        await long(world)
        await asyncio.sleep(3600)
        samples = world.journal.equity(999)
        assert 12 <= len(samples) <= 20, "one in five minutes"
        assert samples[0].total == world.bank().worth() == D("9995.0")
        assert (samples[0].gross, samples[0].net, samples[0].unrealised) == (D(5000), D(5000), D(0))
        world.connection().inject("equity", *[Fault(refused=NotReady("down"))] * 99)
        await world.restart()
        assert [one.total for one in world.journal.snapshot().equity] == [D("9995.0")]
        assert world.state()["equity"] is None
        assert world.state()["last_seen"]["total"] == "9995", "what it was worth when it could last be read"


# -- what trips


@pytest.mark.parametrize("streams", [False, True])
async def test_a_daily_loss_halts_until_it_is_resumed_with_a_reason(tmp_path: Path, streams: bool) -> None:
    async with bank(tmp_path, streams=streams, accounts__one__breakers=DAILY) as world:
        await long(world)
        world.bank().price["BTCUSDT"] = D(45_200)
        await asyncio.sleep(40)
        assert not world.tripped(), "480 and a fee of 10,000 are not 5 %"
        (near,) = world.whole_state()["breakers"]
        assert near["used"] == pytest.approx(0.97, abs=0.01)
        world.bank().price["BTCUSDT"] = D(44_900)
        await asyncio.sleep(40)
        assert world.tripped() == [("one", "daily_loss", "")]
        assert world.held() == D("0.1"), "a halt closes nothing"
        await world.say("0.9", wait=30)
        assert world.held() == D("0.1")
        (event,) = world.events("breaker")
        assert "te resume one --reason" in event.text
        assert "5.15% of 5%" in event.text
        with pytest.raises(CommandRefused, match="lifting it needs a reason"):
            await world.command(RESUME, "one")
        with pytest.raises(CommandRefused, match="lifting it needs a reason"):
            await world.command(RESUME, symbol="BTCUSDT", reason="  ")
        await world.restart()
        await asyncio.sleep(86_400)
        assert world.tripped() == [("one", "daily_loss", "")], "neither a restart nor a new day lifts it"
        await world.command(HALT, "one", reason="lunch")
        with pytest.raises(CommandRefused):
            await world.command(RESUME, "one")
        await world.command(RESUME, "one", reason="looked into it", wait=60)
        assert not world.tripped(), "the old loss does not trip it again"
        assert world.held() > D("0.1")
        await world.restart()
        await asyncio.sleep(60)
        assert not world.tripped()
        world.bank().price["BTCUSDT"] = D(40_000)
        await asyncio.sleep(40)
        assert world.tripped() == [("one", "daily_loss", "")], "what is lost from here on does"


async def test_deposits_and_withdrawals_trip_nothing_and_are_reported(tmp_path: Path) -> None:
    armed = {**DAILY, "drawdown": {"percent": 5}, "equity_jump": {"percent": 10}}
    async with bank(tmp_path, accounts__one__breakers=armed) as world:
        await long(world)
        world.bank().deposit("-2500")
        await asyncio.sleep(90)
        assert world.tripped() == [("one", "equity_jump", "")], "told, and only a warning"
        assert [(flow.kind, flow.amount) for flow in world.journal.flows(9)] == [
            (FlowKind.UNEXPLAINED, D(-2500))
        ]
        assert "-2500" in world.events("transfer")[0].text
        await world.say("0.6", wait=30)
        assert world.at_target(), "a warning stops nothing"
        world.bank().price["BTCUSDT"] = D(45_000)
        await asyncio.sleep(60)
        assert ("one", "daily_loss", "") in world.tripped(), "the loss of 6 % of what was left does"


async def test_a_transfer_at_the_time_of_an_order_is_told_apart(tmp_path: Path) -> None:
    async with bank(tmp_path, accounts__one__breakers=DAILY) as world:
        await long(world)
        world.bank().price["BTCUSDT"] = D(49_000)
        world.bank().deposit("-3000")
        await world.say("0", wait=90)
        assert not world.tripped()
        assert [flow.amount for flow in world.journal.flows(9)] == [D(-3000)]
        world.bank().deposit("5000")
        await world.say("0.5", wait=90)
        assert [flow.amount for flow in world.journal.flows(9)] == [D(5000), D(-3000)]


async def test_reported_payments_count_by_their_kind(tmp_path: Path) -> None:
    async with bank(tmp_path, accounts__one__breakers={"daily_loss": {"amount": 500}}) as world:
        kinds = frozenset({FlowKind.FUNDING, FlowKind.DEPOSIT, FlowKind.WITHDRAWAL})
        world.capabilities = replace(world.capabilities, cash_flows=kinds)
        await world.restart()
        await long(world)
        world.bank().deposit("-4000", told=FlowKind.WITHDRAWAL)
        world.bank().pay("-450", FlowKind.FUNDING, symbol="BTCUSDT")
        await asyncio.sleep(90)
        assert not world.tripped()
        found = {flow.kind: flow.amount for flow in world.journal.flows(9)}
        assert found == {FlowKind.WITHDRAWAL: D(-4000), FlowKind.FUNDING: D(-450)}
        await world.restart()
        world.bank().pay("-60", FlowKind.FUNDING, symbol="BTCUSDT")
        await asyncio.sleep(90)
        assert world.tripped() == [("one", "daily_loss", "")], "fees and funding count"
        assert len(world.journal.flows(9)) == 3, "each payment once, also across a restart"


async def test_an_unknown_value_trips_nothing_and_lifts_nothing(tmp_path: Path) -> None:
    async with bank(tmp_path, accounts__one__breakers=DAILY) as world:
        await long(world)
        world.connection().inject("equity", *[Fault(refused=NotReady("down"))] * 4)
        world.bank().price["BTCUSDT"] = D(40_000)
        await asyncio.sleep(20)
        assert not world.tripped()
        (row,) = world.whole_state()["breakers"]
        assert row["used"] < 0.2, "as last seen"
        await asyncio.sleep(300)
        assert world.tripped() == [("one", "daily_loss", "")]


async def test_a_drawdown_flattens_and_all_of_it_survives_a_kill(tmp_path: Path) -> None:
    """The journal is copied at the moment of the trip: starting from the copy is like starting after a kill."""
    drawdown = {"drawdown": {"amount": 600, "action": "flatten"}}
    async with bank(tmp_path, accounts__one__breakers=drawdown) as world:
        await long(world)
        world.bank().price["BTCUSDT"] = D(53_000)
        await asyncio.sleep(40)
        hung = Fault(delay=3000)
        world.connection().inject("place_order", hung)
        world.bank().price["BTCUSDT"] = D(46_900)
        await asyncio.sleep(40)
        assert world.tripped() == [("one", "drawdown", "")], "610 below the highest, 310 below the first"
        assert world.held() == D("0.1")
        world.journal.close()
        for runner in world.engine.accounts.values():
            await runner.drain(timedelta(0))
        await world.engine.stop()
        await world.start()
        await asyncio.sleep(60)
        assert world.held() == 0, "the flatten goes on"
        assert world.tripped() == [("one", "drawdown", "")]
        await world.say("0.5", wait=60)
        assert world.held() == 0


async def test_a_loss_on_one_symbol_holds_that_symbol_only(tmp_path: Path) -> None:
    async with bank(tmp_path, accounts__one__breakers={"symbol_loss": {"amount": 200}}) as world:
        await long(world)
        await long(world, "0.3", "ETHUSDT")
        world.bank().price["BTCUSDT"] = D(47_900)
        world.bank().price["ETHUSDT"] = D(2_450)
        await asyncio.sleep(60)
        assert world.tripped() == [("one", "symbol_loss", "BTCUSDT")]
        await world.say("0.6", "ETHUSDT", wait=40)
        await world.say("0.6", "BTCUSDT", wait=40)
        assert world.held("BTCUSDT") == D("0.1")
        assert world.held("ETHUSDT") > D("1.5")
        await world.command(RESUME, "one", symbol="BTCUSDT", reason="fine", wait=60)
        assert world.held("BTCUSDT") > D("0.1")
        assert not world.tripped()


async def test_losing_trades_in_a_row(tmp_path: Path) -> None:
    async with bank(tmp_path, accounts__one__breakers={"losing_trades": {"count": 3}}) as world:
        for end in ("49900", "49900", "50200", "49900", "49900"):
            world.bank().price["BTCUSDT"] = D(50_000)
            await world.say("0.5", wait=40)
            world.bank().price["BTCUSDT"] = D(end)
            await world.say("0", wait=40)
        assert not world.tripped(), "one that earned began the count again"
        await world.restart()
        await world.say("0.5", wait=40)
        await world.say("0", wait=40)
        assert world.tripped() == [("one", "losing_trades", "")], "the fees alone lost"


async def test_refused_orders_within_a_while(tmp_path: Path) -> None:
    rejections = {"rejections": {"count": 3, "within": "5m"}}
    async with bank(tmp_path, accounts__one__breakers=rejections) as world:
        refused = Fault(refused=OrderRejected("no such luck"))
        world.connection().inject("place_order", *[refused] * 3)
        await world.say("0.5", wait=400)
        assert world.tripped() == [("one", "rejections", "")]
        assert world.held() == 0


async def test_slippage_against_the_price_of_the_signal(tmp_path: Path) -> None:
    async with bank(tmp_path, accounts__one__breakers={"slippage": {"percent": 1}}) as world:
        await world.say("0.2", wait=30, price=D(49_700))
        assert not world.tripped(), "0.6 %"
        await world.say("0.4", wait=30, price=D(49_000))
        assert world.tripped() == [("one", "slippage", "BTCUSDT")]
        await world.say("0.6", wait=30, price=D(49_000))
        assert len(world.events("breaker")) == 1, "told once"
        assert world.at_target(), "slippage warns unless told otherwise"
        await world.command(RESUME, "one")
        assert not world.tripped(), "a warning needs no reason"


async def test_all_accounts_together(tmp_path: Path) -> None:
    async with bank(tmp_path, **TWO, breakers={"daily_loss": {"percent": 5}}) as world:
        await long(world)
        world.bank("1").price["BTCUSDT"] = D(43_000)
        await asyncio.sleep(60)
        assert not world.tripped(), "705 of 20,000"
        world.bank("2").price["BTCUSDT"] = D(46_500)
        await asyncio.sleep(60)
        assert world.tripped() == [("", "daily_loss", "")]
        await world.say("0.9", wait=60)
        assert world.held(key="1") == world.held(key="2") == D("0.1")
        with pytest.raises(CommandRefused):
            await world.command(RESUME, "two")
        await world.command(RESUME, "two", reason="this one is fine", wait=60)
        assert world.held(key="2") > D("0.1")
        assert world.tripped() == [("", "daily_loss", "")], "the other stays"
        await world.restart()
        await asyncio.sleep(30)
        assert world.held(key="1") == D("0.1")
        await world.command(RESUME, reason="all fine", wait=60)
        assert not world.tripped()
        assert world.held(key="1") > D("0.1")


async def test_a_shadow_has_its_accounts_breakers_by_its_own_results(tmp_path: Path) -> None:
    """It halts only itself, does not count towards all accounts, and is halted with all of them."""
    shadowed = {**deepcopy(TWO), "breakers": {"daily_loss": {"percent": 8}}}
    shadowed["accounts"]["one"]["breakers"] = {"daily_loss": {"percent": 5}}
    shadowed["accounts"]["two"] = {"plugin": "fake", "key": "2", "shadow_of": "one"}
    world = Bank(tmp_path, **shadowed)
    world.capabilities = replace(world.capabilities, simulated=True)
    await world.start()
    await long(world)
    world.bank("2").price["BTCUSDT"] = D(30_000)
    await asyncio.sleep(35)
    assert world.tripped() == [("two", "daily_loss", "")], (
        "a fifth of what both have, and not of all accounts"
    )
    assert world.row(account="two")["halt"]
    assert not world.row(account="one")["halt"]
    await world.command(RESUME, "two", reason="only paper")
    assert world.tripped() == []
    world.bank("1").price["BTCUSDT"] = D(40_000)
    await asyncio.sleep(35)
    assert sorted(world.tripped()) == [("", "daily_loss", ""), ("one", "daily_loss", "")]
    assert world.row(account="two")["halt"], "what halts all accounts halts a copy, too"
    await world.stop()


async def test_a_breaker_never_loosens_what_the_operator_ordered(tmp_path: Path) -> None:
    async with bank(tmp_path, accounts__one__breakers=DAILY) as world:
        await long(world)
        world.connection().inject("place_order", *[Fault(refused=NotReady("busy"))] * 5)
        await world.command(Action.FLATTEN, "one", wait=0)
        world.bank().price["BTCUSDT"] = D(40_000)
        await asyncio.sleep(200)
        assert world.tripped() == [("one", "daily_loss", "")]
        assert world.held() == 0, "a halt of a breaker did not end the flatten"


async def test_a_breaker_armed_beyond_its_threshold_trips_at_once(tmp_path: Path) -> None:
    async with bank(tmp_path) as world:
        await long(world)
        world.bank().price["BTCUSDT"] = D(40_000)
        await asyncio.sleep(60)
        await world.edit("accounts.one.breakers", DAILY)
        assert world.tripped() == [("one", "daily_loss", "")]


async def test_pushed_prices_have_a_loss_checked_before_the_next_read(tmp_path: Path) -> None:
    """Prices alone trip nothing: the account is read, and its value decides."""
    armed = {"accounts__one__breakers": DAILY, "engine__resync": "10m"}
    async with bank(tmp_path, streams=True, **armed) as world:
        await world.say("0.5", wait=700)
        reads = world.connection().calls["equity"]
        world.bank()._streams[0].price("BTCUSDT", D(43_000))  # a lie: the account is worth what it was
        await asyncio.sleep(4)
        assert world.connection().calls["equity"] == reads + 1
        assert not world.tripped()
        await asyncio.sleep(700)
        reads = world.connection().calls["equity"]
        world.bank().price["BTCUSDT"] = D(46_000)
        await asyncio.sleep(10)
        assert world.connection().calls["equity"] == reads, "4 % are not 5 %"
        world.bank().price["BTCUSDT"] = D(44_500)
        await asyncio.sleep(10)
        assert world.tripped() == [("one", "daily_loss", "")]
        reads = world.connection().calls["equity"]
        await asyncio.sleep(60)
        assert world.connection().calls["equity"] == reads, "what tripped is not looked for any more"


async def test_pushed_prices_of_all_accounts_together(tmp_path: Path) -> None:
    armed = {**TWO, "breakers": DAILY, "engine__resync": "10m"}
    async with bank(tmp_path, streams=True, **armed) as world:
        await world.say("0.5", wait=700)
        world.bank("1").price["BTCUSDT"] = D(44_000)
        await asyncio.sleep(30)
        assert not world.tripped(), "600 of 20,000"
        world.bank("2").price["BTCUSDT"] = D(45_500)
        await asyncio.sleep(10)
        assert world.tripped() == [("", "daily_loss", "")]


async def test_a_new_day_begins_when_the_operator_says(tmp_path: Path) -> None:
    """The virtual clock starts at midnight UTC, which is nine o'clock in Tokyo."""
    amount = {"daily_loss": {"amount": 500}}
    when = {"reset_at": "09:30", "zone": "Asia/Tokyo"}
    async with bank(tmp_path, accounts__one__breakers=amount, breakers=when) as world:
        await long(world)
        world.bank().price["BTCUSDT"] = D(46_000)
        await asyncio.sleep(60)
        (near,) = world.whole_state()["breakers"]
        assert near["text"] == "daily_loss 405 of 500"
        await asyncio.sleep(1800)
        (near,) = world.whole_state()["breakers"]
        assert near["text"] == "daily_loss 0 of 500"
        world.bank().price["BTCUSDT"] = D(42_000)
        await asyncio.sleep(60)
        assert not world.tripped()


async def test_what_breakers_remember_costs_the_same_after_many_orders(tmp_path: Path) -> None:
    async with bank(tmp_path, accounts__one__breakers=DAILY) as world:
        await long(world)
        before = len(str(world.journal.snapshot().breakers))
        for depth in ("0.4", "0.5") * 10:
            await world.say(depth, wait=5)
        assert len(str(world.journal.snapshot().breakers)) < before + 200
        assert len(world.journal.fills(99)) == 21
