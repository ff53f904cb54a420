"""Limits, liquidations, manual trades, keys, clocks and edits neither open nor close anything on their own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import MarginMode, NotReady, OrderRequest
from te_core.testing.faults import Fault
from tests.engine.scene import Scene, scene

D = Decimal


def others(world: Scene, symbol: str) -> list[OrderRequest]:
    """Return the orders of one symbol, of all accounts."""
    return [
        order
        for connection in world.connections.values()
        for order in connection.sent
        if order.symbol == symbol
    ]


# -- I17: a limit never makes or enlarges a reduction


async def full(world: Scene) -> None:
    """ETH of 4500 and SOL of 1485 are held, under an account_exposure of 6000."""
    await world.say("0.45", "ETHUSDT", wait=30)
    await world.say("0.1485", "SOLUSDT", wait=30)
    assert (world.held("ETHUSDT"), world.held("SOLUSDT")) == (D("1.8"), D("14.85"))


async def test_a_lowered_limit_closes_nothing_even_if_more_is_wanted(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__limits={"account_exposure": 6000}) as world:
        await full(world)
        await world.edit("accounts.one.limits.account_exposure", 4500, wait=300)
        assert world.held("SOLUSDT") == D("14.85")
        await world.say("0.3", "SOLUSDT", wait=300)
        assert world.held("SOLUSDT") == D("14.85"), "a limit never makes a reduction"
        assert "account_exposure" in world.row("SOLUSDT")["reason"]
        assert not world.at_target("SOLUSDT")
        told = [event for event in world.events() if "account_exposure" in event.text]
        assert len(told) == 1
        assert told[0].symbol == "SOLUSDT"
        await world.edit("accounts.one.limits.account_exposure", 20_000, wait=120)
        assert world.held("SOLUSDT") == D("30"), "what was wanted is not forgotten"


async def test_a_price_that_rises_at_the_limit_closes_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__limits={"account_exposure": 6000}) as world:
        await full(world)
        world.exchange().price["ETHUSDT"] *= D("1.02")
        await asyncio.sleep(120)
        await world.say("0.3", "SOLUSDT", wait=300)
        assert world.held("SOLUSDT") == D("14.85")
        assert world.held("ETHUSDT") == D("1.8")


async def test_a_limit_does_not_hold_up_a_wanted_reduction(tmp_path: Path) -> None:
    """The target is now less than what is held, and more than the limit allows: the position goes to the target."""
    async with scene(tmp_path) as world:
        await world.say("0.8", wait=30)
        await world.edit("accounts.one.limits", {"symbol_exposure": 2000})
        await world.say("0.6", wait=120)
        assert world.held() == D("0.12")


async def test_a_flip_under_a_limit_closes_all_and_opens_what_may_be(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.8", wait=30)
        await world.edit("accounts.one.limits", {"symbol_exposure": 2000})
        await world.say("-0.6", wait=120)
        assert D("-0.04") <= world.held() < 0


# -- what others did to a position (I18)


def drifting(policy: str | None) -> dict[str, Any]:
    """Return the setting of a drift policy; None leaves the default."""
    return {"accounts__one__drift": policy} if policy else {}


async def liquidate(world: Scene, symbol: str = "BTCUSDT") -> None:
    """The exchange closes a position, and its margin is gone."""
    exchange = world.exchange()
    lost = abs(exchange.quantity(symbol)) * exchange.price[symbol]
    exchange.hold(symbol, "0")
    exchange.equity_value -= lost
    await asyncio.sleep(300)


@pytest.mark.parametrize("drift", [None, "reduce", "alert"])
async def test_a_liquidation_is_not_followed_by_an_order(tmp_path: Path, drift: str | None) -> None:
    async with scene(tmp_path, streams=True, **drifting(drift)) as world:
        await world.say("0.3", wait=60)
        await liquidate(world)
        assert world.held() == 0
        assert len(world.sent()) == 1
        assert [event.kind for event in world.events() if event.symbol == "BTCUSDT"] == ["drift"]
        assert not world.at_target()
        assert world.row()["reason"]
        await world.say("0.2", wait=60)
        assert world.held() == D("0.028"), "a new target is sized with what is there by now"


async def test_four_liquidations_take_what_was_held_at_the_first(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.3", wait=60)
        for _ in range(4):
            if world.held():
                await liquidate(world)
            await asyncio.sleep(3600)
        assert world.exchange().equity_value == D(7000)


async def test_healing_a_liquidation_orders_no_more_than_a_new_size(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__drift="heal") as world:
        await world.say("0.3", wait=60)
        for _ in range(4):
            await liquidate(world)
            fresh = world.exchange().equity_value * D("0.3") / world.exchange().price["BTCUSDT"]
            assert world.held() <= fresh
        largest = max(order.quantity for order in world.sent()[1:]) if world.sent()[1:] else D(0)
        assert largest <= D("0.042"), "never the old size"


@pytest.mark.parametrize("drift", [None, "reduce", "alert"])
@pytest.mark.parametrize("left", ["0", "0.04"], ids=["closed", "partly"])
async def test_a_position_closed_by_hand_stays_closed(tmp_path: Path, drift: str | None, left: str) -> None:
    async with scene(tmp_path, **drifting(drift)) as world:
        await world.say("0.5", wait=60)
        world.exchange().hold("BTCUSDT", left)
        await asyncio.sleep(86_400)
        assert world.held() == D(left)
        assert len(world.sent()) == 1
        assert len(world.events("drift")) == 1
        assert not world.at_target()


async def test_a_position_closed_by_hand_stays_closed_after_a_restart(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        await world.stop()
        world.exchange().hold("BTCUSDT", "0")
        await world.start()
        await asyncio.sleep(600)
        await world.restart()
        await asyncio.sleep(600)
        assert world.held() == 0
        assert not world.at_target()


@pytest.mark.parametrize("drift", [None, "reduce", "heal"])
@pytest.mark.parametrize("by_hand", ["0.15", "-0.05"], ids=["more", "other side"])
async def test_an_excess_added_by_hand_is_reduced(tmp_path: Path, drift: str | None, by_hand: str) -> None:
    async with scene(tmp_path, **drifting(drift)) as world:
        await world.say("0.5", wait=60)
        world.exchange().hold("BTCUSDT", by_hand)
        await asyncio.sleep(300)
        want = D(0) if by_hand.startswith("-") and drift != "heal" else D("0.1")
        assert world.held() == want


async def test_healing_restores_no_more_than_a_fresh_sizing(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__drift="heal") as world:
        await world.say("0.5", wait=60)
        world.exchange().price["BTCUSDT"] = D(100_000)
        world.exchange().hold("BTCUSDT", "0")
        await asyncio.sleep(300)
        assert world.held() == D("0.05")


async def test_somebody_who_keeps_trading_stops_corrections(tmp_path: Path) -> None:
    """A second engine on another machine, or the operator's bot: recognised by its persistence."""
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        for _ in range(60):
            world.exchange().hold("BTCUSDT", "0.2")
            await asyncio.sleep(60)
        corrections = len(world.sent()) - 1
        assert 1 <= corrections <= 4, "three in ten minutes, then it stops"
        assert not world.at_target()
        assert "trading" in world.row()["reason"]
        assert len([event for event in world.events("drift") if "trading" in event.text]) == 1
        assert len(world.events("halt")) == 1, "no more than a reduction until it is resumed"


async def test_a_partial_fill_of_an_own_order_is_not_drift(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        world.connection().inject("place_order", Fault(share=D("0.5")), Fault(share=D("0.5")))
        await world.say("0.5", wait=300)
        assert world.held() == D("0.1")
        assert world.events("drift") == []


# -- who an account is (I20)

TWO = {
    "one": {"plugin": "fake", "observe": False, "key": "a"},
    "two": {"plugin": "fake", "observe": False, "key": "b"},
}


async def test_a_new_key_under_an_old_name_is_another_account(tmp_path: Path) -> None:
    """The account of the new key holds the operator's own 3 BTC."""
    async with scene(tmp_path, accounts__one__key="a") as world:
        await world.say("0.5", wait=60)
        theirs = world.exchange("b")
        theirs.hold("BTCUSDT", "3")
        await world.edit("accounts.one.key", "b", wait=300)
        await world.say("0.4", wait=300)
        assert world.held(key="b") == D(3)
        assert world.sent("b") == []
        assert "adopt" in world.row()["reason"]


async def test_a_new_key_of_an_account_continues_with_its_positions(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__key="a") as world:
        await world.say("0.5", wait=60)
        world.exchanges["renewed"], world.connections["renewed"] = (
            world.exchanges["a"],
            world.connections["a"],
        )
        await world.edit("accounts.one.key", "renewed", wait=60)
        await world.say("0.4", wait=60)
        assert world.held(key="a") == D("0.08")


async def test_an_account_that_returns_is_the_one_that_it_was(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__key="a") as world:
        await world.say("0.5", wait=60)
        await world.edit("accounts.one.key", "b", wait=60)
        await world.edit("accounts.one.key", "a", wait=60)
        await world.say("0.2", wait=60)
        assert world.held(key="a") == D("0.04")


async def test_one_account_under_two_names_is_traded_by_one_of_them(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts=TWO) as world:
        world.exchange("b").uid = world.exchange("a").uid
        world.exchanges["b"], world.connections["b"] = world.exchange("a"), world.connection("a")
        await world.restart()
        await world.say("0.5", wait=3600)
        assert world.held(key="a") == D("0.1")
        assert len(world.sent("a")) == 1
        refused = [state for state in map(world.state, ("one", "two")) if state["status"] != "running"]
        assert len(refused) == 1
        assert refused[0]["reason"]


# -- the clock


@pytest.mark.parametrize("way", ["expect_every", "max_age"])
async def test_a_clock_ahead_for_a_while_leaves_the_target_unchanged(tmp_path: Path, way: str) -> None:
    settings: dict[str, Any] = {f"sources__tv__{way}": "2h", "sources__tv__on_expiry": "flat"}
    async with scene(tmp_path, **settings) as world:
        await world.say("0.5", wait=60)
        world.clock.shift += timedelta(hours=3)
        await asyncio.sleep(120)
        world.clock.shift -= timedelta(hours=3)
        await asyncio.sleep(300)
        assert world.held() == D("0.1")


# -- accounts that go


@pytest.mark.parametrize(
    ("path", "value"),
    [("accounts.one", None), ("plugins.fake", {"enabled": False})],
    ids=["removed", "switched off"],
)
async def test_positions_of_an_account_that_is_gone_count_to_the_total(
    tmp_path: Path, path: str, value: Any
) -> None:
    async with scene(tmp_path, accounts=TWO, limits__total_exposure=6000) as world:
        await world.edit("accounts.two.enabled", False)
        await world.say("0.5", wait=60)
        assert world.held(key="a") == D("0.1")
        await world.edit(path, value, wait=60)
        if path.startswith("plugins"):
            await world.restart()
            await world.edit(path, {"enabled": True}, wait=0)
        await world.edit("accounts.two.enabled", True, wait=300)
        total = (world.held(key="a") + world.held(key="b")) * 50_000
        assert total <= 6000


async def test_what_stayed_open_counts_to_the_total_after_a_restart(tmp_path: Path) -> None:
    """The goal is flat, the position is not, and it cannot be read: the others must leave room for it."""
    async with scene(tmp_path, accounts=TWO, limits__total_exposure=6000) as world:
        await world.edit("accounts.two.enabled", False)
        await world.say("0.5", wait=60)
        failing = ["place_order"]
        down = Fault(refused=NotReady("cannot be reached"))
        world.connection("a").faults = lambda method, _: down if method in failing else None
        await world.say("0", wait=60)
        assert world.held(key="a") == D("0.1")
        failing += ["positions", "equity", "prices"]
        await world.restart()
        await world.edit("accounts.two.enabled", True)
        await world.say("0.5", symbol="ETHUSDT", wait=120)
        assert world.held("ETHUSDT", key="b") == D("0.4"), "1,000 of 6,000 are left"


async def test_a_margin_mode_changed_by_hand_closes_nothing(tmp_path: Path) -> None:
    """Changing it back would close the position, which nobody asked for either; but drift is shown."""
    async with scene(tmp_path, accounts__one__drift="alert") as world:
        await world.say("0.5", wait=60)
        held = world.exchange().held
        held["BTCUSDT"] = replace(held["BTCUSDT"], margin_mode=MarginMode.CROSS)
        await asyncio.sleep(600)
        assert world.held() == D("0.1")
        assert len(world.sent()) == 1
