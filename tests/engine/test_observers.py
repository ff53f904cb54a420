"""Observers see what happened, in order, and delay nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from te_core.api import (
    Event,
    FinishedOrder,
    IntentState,
    NotReady,
    Observer,
    ObserverContext,
    ObserverSpec,
    PositionChange,
    Side,
)
from te_core.runtime import observers
from tests.engine.scene import Scene

D = Decimal


class NoOptions(BaseModel):
    """No options."""


class Diary(Observer):
    """``failure``: raised once by the next call."""

    def __init__(self) -> None:
        self.orders: list[FinishedOrder] = []
        self.changes: list[PositionChange] = []
        self.events: list[Event] = []
        self.failure: BaseException | None = None
        self.slow = 0.0
        self.made = 0

    def __call__(self, context: ObserverContext[NoOptions]) -> Diary:
        del context
        self.made += 1
        return self

    async def order_finished(self, order: FinishedOrder) -> None:
        await self._meet()
        self.orders.append(order)

    async def position_changed(self, change: PositionChange) -> None:
        await self._meet()
        self.changes.append(change)

    async def event(self, event: Event) -> None:
        await self._meet()
        self.events.append(event)

    async def _meet(self) -> None:
        await asyncio.sleep(self.slow)
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure


@asynccontextmanager
async def watched(folder: Path, **settings: Any) -> AsyncIterator[tuple[Scene, Diary]]:
    world, diary = Scene(folder, **settings), Diary()
    world.more = [ObserverSpec(name="diary", settings=NoOptions, factory=diary)]
    world.settings = {**world.settings, "observers": {"mine": {"plugin": "diary"}}}
    await world.start()
    try:
        yield world, diary
    finally:
        await world.stop()


async def test_it_sees_orders_positions_and_events(tmp_path: Path) -> None:
    async with watched(tmp_path) as (world, diary):
        await world.say("0.5")
        await world.say("0.2")
        first, second = diary.orders
        assert (first.account, first.symbol, first.side, first.state) == (
            "one",
            "BTCUSDT",
            Side.BUY,
            IntentState.FILLED,
        )
        assert (first.quantity, first.filled, first.reduce_only) == (D("0.1"), D("0.1"), False)
        assert (second.side, second.filled, second.reduce_only) == (Side.SELL, D("0.06"), True)
        assert [(one.before, one.after) for one in diary.changes] == [(None, D("0.1")), (D("0.1"), D("0.04"))]
        assert "filled" in {event.kind for event in diary.events}
        assert world.whole_state()["observers"]["mine"]["seen"] == len(
            [*diary.orders, *diary.changes, *diary.events]
        )


async def test_a_failure_loses_one_thing_and_not_ready_none(tmp_path: Path) -> None:
    async with watched(tmp_path) as (world, diary):
        diary.failure = NotReady("the database is down")
        await world.say("0.5", wait=8)
        assert len(diary.orders) == 1, "shown again"
        diary.failure = ValueError("a defect")
        await world.say("0.2", wait=12)
        state = world.whole_state()["observers"]["mine"]
        assert state["lost"] == 1
        assert world.held() == D("0.04")
        assert diary.made == 3
        outages = [event for event in world.events("outage") if "observer mine" in event.text]
        assert len(outages) == 2
        assert "order_finished() raised ValueError: a defect (test_observers.py:" in outages[-1].text
        assert not [event for event in diary.events if "observer mine" in event.text], "never its own outages"


async def test_one_that_hangs_holds_up_no_order_and_is_bounded(tmp_path: Path) -> None:
    async with watched(tmp_path) as (world, diary):
        diary.slow = 3600
        await world.say("0.5")
        assert world.held() == D("0.1")
        for number in range(2 * observers.MOST_WAITING):
            world.engine.record(Event(at=world.clock.now(), kind="drift", text=f"{number}"))
        state = world.whole_state()["observers"]["mine"]
        assert state["waiting"] == observers.MOST_WAITING
        assert state["dropped"] > observers.MOST_WAITING / 2
        await asyncio.sleep(40)
        (outage,) = [event for event in world.events("outage") if "observer mine" in event.text]
        assert "took longer than 30 s" in outage.text
        diary.slow = 0.0
        await asyncio.sleep(60)
        assert diary.events[-1].text == f"{2 * observers.MOST_WAITING - 1}", "the newest stay"


async def test_nothing_is_built_without_an_observer(tmp_path: Path) -> None:
    world = Scene(tmp_path)
    await world.start()
    try:

        def made() -> Event:
            raise AssertionError("nobody is there to see it")

        world.engine.observers.show(made)
    finally:
        await world.stop()
