"""Plugins whose ``watch`` says that feeds are up and then lies, breaks or does not end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path

from te_core.api import AccountStream, Feed, NotReady
from tests.engine.scene import Exchange, Scene

D = Decimal
EVERYTHING = (Feed.POSITIONS, Feed.PRICES, Feed.ORDERS)


class Lying(Exchange):
    """An exchange whose connection dies without the plugin's notice, as often as ``dies`` says."""

    dies = 1
    breaks = clings = False
    watched = 0
    refused: str = ""

    async def watch(self, stream: AccountStream) -> None:
        self.watched += 1
        if self.watched > self.dies:
            await super().watch(stream)
        stream.up(*EVERYTHING)
        if self.breaks:
            raise NotReady("the connection broke")
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
            if not self.clings:
                return
            try:
                stream.position(self.held["BTCUSDT"])
            except NotReady as error:
                self.refused = str(error)
                return


@asynccontextmanager
async def lying(folder: Path, **how: bool | int) -> AsyncIterator[tuple[Scene, Lying]]:
    world = Scene(folder, streams=True)
    world.make_exchange = Lying
    exchange = world.exchange()
    assert isinstance(exchange, Lying)
    for name, value in how.items():
        setattr(exchange, name, value)
    await world.start()
    try:
        yield world, exchange
    finally:
        await world.stop()


def streams(world: Scene) -> list[tuple[str, str]]:
    return [(event.kind, event.text) for event in world.events() if "stream" in event.text]


async def test_a_stream_that_is_up_and_silent_is_opened_again(tmp_path: Path) -> None:
    async with lying(tmp_path) as (world, exchange):
        await asyncio.sleep(28)
        assert exchange.watched == 1
        await asyncio.sleep(10)
        assert exchange.watched == 2
        assert streams(world) == [], "a moment without a stream has no effect"
        await asyncio.sleep(600)
        assert exchange.watched == 2, "a stream with heartbeats stays"
        await world.say("0.5", wait=5)
        assert world.held() == D("0.1")


async def test_a_stream_that_is_always_silent_is_reported(tmp_path: Path) -> None:
    async with lying(tmp_path, dies=1000) as (world, _):
        await asyncio.sleep(300)
        ((kind, text),) = streams(world)
        assert kind == "outage"
        assert "watch() reported orders, positions, prices as up, and nothing came for 30 s" in text
        await world.say("0.5", wait=5)
        assert world.held() == D("0.1")


async def test_feeds_of_a_stream_that_broke_are_not_relied_on(tmp_path: Path) -> None:
    """Its plugin need not report them as down: ``watch`` has ended."""
    async with lying(tmp_path, breaks=True, dies=1000) as (world, exchange):
        await world.say("0.5", wait=20)
        exchange.calls.clear()
        exchange.hold("BTCUSDT", "0.3")
        await world.say("0", wait=1)
        assert exchange.calls.index("positions") < exchange.calls.index("order")
        assert world.held() == 0


async def test_a_stream_that_fails_each_time_is_one_outage(tmp_path: Path) -> None:
    async with lying(tmp_path, breaks=True, dies=5) as (world, exchange):
        await asyncio.sleep(240)
        assert exchange.watched == 6
        assert [kind for kind, _ in streams(world)] == ["outage", "recovery"]


async def test_an_abandoned_stream_moves_nothing_any_more(tmp_path: Path) -> None:
    async with lying(tmp_path, clings=True) as (world, exchange):
        await world.say("0.5", wait=70)
        assert exchange.watched == 1, "it still runs"
        exchange.hold("BTCUSDT", "0.1")
        await asyncio.sleep(7200)
        assert exchange.refused == "watch() was ended: this stream is closed"
        assert exchange.watched == 2
