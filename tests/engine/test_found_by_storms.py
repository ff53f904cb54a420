"""Failures that simulations found, each as a small test."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from te_core.accounts.schedule import Schedule
from te_core.api import (
    Capabilities,
    Instrument,
    Known,
    MarginMode,
    NotReady,
    OrderRejected,
    OutcomeUnknown,
    Position,
)
from te_core.model.control import Action
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault
from tests.engine.scene import Strict, scene
from tests.engine.worker_harness import WorkerHarness

D = Decimal


async def test_a_released_increase_is_not_drift_when_its_read_fails(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, accounts__one__limits={"symbol_exposure": 2500}) as world:
        await world.say("0.5", wait=60)
        assert world.held() == D("0.05")
        failing = Fault(refused=NotReady("down"))
        world.connection().faults = lambda method, _: (
            failing
            if method == "positions" and len(world.sent()) > 1 and world.clock.monotonic() < 90
            else None
        )
        await world.edit("accounts.one.limits.symbol_exposure", 4000, wait=200)
        assert world.held() == D("0.08")
        assert [order.reduce_only for order in world.sent()] == [False, False]
        assert world.events("drift") == []


async def test_a_repeated_read_is_not_fresh_after_a_clock_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its timestamp is in the future then."""
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        repeated = await world.exchange().positions()

        async def positions() -> Known[Mapping[str, Position]]:
            return repeated

        monkeypatch.setattr(world.exchange(), "positions", positions)
        world.clock.shift -= timedelta(hours=3)
        world.exchange().hold("BTCUSDT", "0")
        await asyncio.sleep(600)
        assert not world.at_target()
        await world.say("0.7", wait=600)
        assert len(world.sent()) == 1, "nothing is sent on a position of ten minutes ago"


async def test_a_repeated_price_sizes_nothing_after_a_clock_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path) as world:
        await asyncio.sleep(30)
        repeated = await world.exchange().prices(["BTCUSDT"])

        async def prices(symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
            return repeated

        monkeypatch.setattr(world.exchange(), "prices", prices)
        world.clock.shift -= timedelta(hours=3)
        world.exchange().price["BTCUSDT"] = D(100_000)
        await asyncio.sleep(60)
        await world.say("0.5", wait=60)
        assert world.sent() == []


async def test_a_minimum_above_order_notional_leaves_it_off_target(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__limits={"order_notional": 1000}) as world:
        Strict(world, step="0.03")
        await world.restart()
        await world.say("0.5", wait=120)
        assert world.held() == 0
        assert not world.at_target()
        assert "order_notional" in world.row()["reason"]


@pytest.mark.parametrize("method", ["open", "identity"])
async def test_an_account_that_hangs_while_connecting_is_reconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async with scene(tmp_path) as world:
        asked: list[str] = []
        right = getattr(world.exchange(), method)

        async def hanging() -> object:
            asked.append(method)
            await asyncio.sleep(1e6 if len(asked) == 1 else 0)
            return await right()

        monkeypatch.setattr(world.connection(), method, hanging)
        await world.restart()
        await world.say("0.5", wait=300)
        assert world.held() == D("0.1")
        assert world.state()["status"] == "running"


async def test_a_correction_that_never_left_does_not_count_as_one(tmp_path: Path) -> None:
    """Otherwise a busy exchange looks like somebody who trades against the engine, and the excess stays."""
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        world.connection().inject("place_order", *[Fault(refused=NotReady("busy"))] * 3)
        world.exchange().hold("BTCUSDT", "0.15")
        await asyncio.sleep(120)
        assert world.held() == D("0.1")
        world.exchange().hold("BTCUSDT", "0.15")
        await asyncio.sleep(120)
        assert world.held() == D("0.1")
        assert not [event for event in world.events() if "trading" in event.text]


@pytest.mark.parametrize("lookup", [True, False], ids=["looked up", "judged by the position"])
async def test_a_liquidation_during_an_order_leads_to_a_fresh_sizing(tmp_path: Path, lookup: bool) -> None:
    async with scene(tmp_path) as world:
        world.capabilities = Capabilities(order_lookup=lookup)
        await world.restart()
        world.connection().inject("place_order", Fault(lost=OutcomeUnknown("timeout")))
        await world.say("0.5", wait=3)
        assert world.held() == D("0.1")
        world.exchange().hold("BTCUSDT", "0")
        world.exchange().equity_value = D(5000)
        await asyncio.sleep(300)
        assert world.held() <= D("0.05")


async def test_an_owners_position_counts_at_the_present_price(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__limits={"account_exposure": 5000}) as world:
        world.exchange().hold("BTCUSDT", "0.04")
        await asyncio.sleep(60)
        world.exchange().price["BTCUSDT"] = D(100_000)
        await asyncio.sleep(60)
        await world.say("0.4", "ETHUSDT", wait=120)
        assert world.held("ETHUSDT") * 2500 <= 1000


async def test_a_read_that_rounding_dated_ahead_of_now_is_awaited(
    open_harness: Callable[..., WorkerHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop fires timers a nanosecond early: two accounts kept each other awake without time passing."""
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5", wait=10)
    due, asked = Schedule.due, Counter[str]()

    def counted(schedule: Schedule, *args: Any, **more: Any) -> float | None:
        asked["due"] += 1
        return due(schedule, *args, **more)

    monkeypatch.setattr(Schedule, "due", counted)
    harness.worker.read_by(harness.clock.monotonic() + 1e-14)
    for _ in range(1000):
        await asyncio.sleep(0)  # something else is due at this moment
    assert asked["due"] < 5


async def test_an_unknown_leverage_is_set_once_a_halt_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange does not show it, and whoever changed the position may have changed the leverage, too."""
    async with scene(tmp_path, symbols__BTCUSDT__leverage=2) as world:
        exchange = world.exchange()
        positions = exchange.positions

        async def hiding() -> Known[Mapping[str, Position]]:
            known = await positions()
            return replace(known, value={s: replace(p, leverage=None) for s, p in known.value.items()})

        monkeypatch.setattr(exchange, "positions", hiding)
        await world.say("0.5", wait=60)
        await world.command(Action.HALT)
        exchange.hold("BTCUSDT", "0.3")
        await exchange.set_leverage("BTCUSDT", 7, MarginMode.ISOLATED)
        await asyncio.sleep(90)
        assert world.held() == D("0.2"), "what was added is cut, halted or not"
        assert exchange.held["BTCUSDT"].leverage == 7
        await world.command(Action.RESUME, wait=60)
        assert exchange.held["BTCUSDT"].leverage == 2
        asked = exchange.calls.count("leverage 2")
        await asyncio.sleep(600)
        assert exchange.calls.count("leverage 2") == asked, "once is enough"


async def test_a_leverage_no_longer_allowed_is_not_requested_forever(
    open_harness: Callable[..., WorkerHarness],
) -> None:
    """It was changed by hand, and the exchange now allows less than the goal was sized with."""
    harness = open_harness()
    account = cast("FakeAccount", harness.account)
    await harness.want("BTCUSDT", "0.1", leverage=4, wait=10)
    account.instrument_of = lambda symbol: Instrument(
        symbol=symbol, quantity_step=D("0.001"), minimum_quantity=D("0.001"), largest_leverage=3
    )
    set_leverage = account.set_leverage

    async def strict(symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        if leverage > 3:
            raise OrderRejected("leverage is 3 at most")
        await set_leverage(symbol, leverage, margin_mode)

    account.set_leverage = strict  # type: ignore[method-assign]
    account.held["BTCUSDT"] = replace(account.held["BTCUSDT"], leverage=D(1))
    await harness.go(1200)
    assert account.held["BTCUSDT"].leverage == 3
    assert harness.worker.keepers["BTCUSDT"].status == "at_target"
    assert account.quantity("BTCUSDT") == D("0.08")
