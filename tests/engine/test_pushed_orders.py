"""An exchange that pushes orders and no positions: orders move what is believed, reads confirm it."""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import pytest

from te_core.api import Feed, NotReady
from tests.engine.scene import Scene, scene

D = Decimal


async def test_where_orders_are_pushed_no_read_precedes_an_order(tmp_path: Path) -> None:
    async with scene(tmp_path, streams=True) as world:
        world.exchange().feeds = (Feed.PRICES, Feed.ORDERS)
        await world.restart(wait=30)
        await world.say("0.5", wait=75)
        world.exchange().calls.clear()
        await world.say("0.3", wait=0)
        await asyncio.sleep(0.1)  # virtual seconds, enough for an order
        assert world.held() == D("0.06")
        assert world.exchange().calls[0] == "order"


async def test_an_order_of_others_is_read_before_the_next_own_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchange pushes it, and then cannot be read for ten seconds, in which a signal comes."""
    async with scene(tmp_path, streams=True) as world:
        world.exchange().feeds = (Feed.PRICES, Feed.ORDERS)
        await world.restart(wait=30)
        await world.say("0.5", wait=75)

        async def refuse() -> NoReturn:
            raise NotReady("busy")

        with monkeypatch.context() as busy:
            busy.setattr(world.exchange(), "positions", refuse)
            world.exchange().hold("BTCUSDT", "0.04")
            world.exchange().push_order("somebody-s-own", "BTCUSDT")
            await asyncio.sleep(0.5)  # virtual seconds: the push has arrived
            await world.say("0.8", wait=10)
            assert [order.quantity for order in world.sent()] == [D("0.1")]
        await asyncio.sleep(30)
        assert [order.quantity for order in world.sent()] == [D("0.1"), D("0.12")]


async def test_an_equity_from_before_an_own_order_is_read_again(tmp_path: Path) -> None:
    """It excludes fees and realised profit; unless pushed, it is read after an order, not before one."""
    async with scene(tmp_path, streams=True) as world:
        await asyncio.sleep(30)
        await world.say("0.5", wait=1)
        world.exchange().calls.clear()
        world.exchange().equity_value = D(20_000)
        await world.say("0.3", wait=0)
        await asyncio.sleep(0.1)  # virtual seconds, enough for an order
        assert world.exchange().calls[0] == "order"
        assert world.held() == D("0.06"), "the equity from before"
        await asyncio.sleep(1)
        assert "equity" in world.exchange().calls
        await world.say("0.5", wait=1)
        assert world.held() == D("0.2")


async def test_where_nothing_is_pushed_a_read_precedes_an_order(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=5)
        world.exchange().calls.clear()
        await world.say("0.3", wait=5)
        assert world.exchange().calls.index("positions") < world.exchange().calls.index("order")


async def test_a_pushed_foreign_order_makes_the_position_unknown(tmp_path: Path) -> None:
    """The position is not pushed here: until it is read again, the effect of that order is unknown."""
    async with scene(tmp_path, streams=True) as world:
        world.exchange().feeds = (Feed.PRICES, Feed.ORDERS)
        await world.restart(wait=30)
        await world.say("0.5", wait=20)
        world.exchange().hold("BTCUSDT", "0.3")
        world.exchange().push_order("", "BTCUSDT")
        await world.say("0", wait=0)
        await asyncio.sleep(0.1)  # virtual seconds, enough for an order
        assert world.sent()[-1].quantity == D("0.3")
        assert world.held() == 0


async def test_orders_that_are_not_pushed_are_not_counted_on_any_more(tmp_path: Path) -> None:
    """A read showed a change that no pushed order announced: positions are read before each order again."""
    async with scene(tmp_path, streams=True) as world:
        world.exchange().feeds = (Feed.PRICES, Feed.ORDERS)
        await world.restart(wait=30)
        await world.say("0.5", wait=20)
        world.exchange().hold("BTCUSDT", "0.3")
        await asyncio.sleep(40)
        world.exchange().calls.clear()
        await world.say("0", wait=5)
        assert world.exchange().calls.index("positions") < world.exchange().calls.index("order")


async def test_a_read_that_lags_behind_a_pushed_order_decides_nothing(tmp_path: Path) -> None:
    """It was requested after the push and still shows the position from before that order."""
    async with scene(tmp_path, streams=True) as world:
        world.exchange().feeds = (Feed.PRICES, Feed.ORDERS)
        world.exchange().read_lag = 2.0
        await world.restart(wait=30)
        await world.say("0.5", wait=75)
        world.exchange().hold("BTCUSDT", "0.04")
        world.exchange().push_order("", "BTCUSDT")
        await world.say("0.8", wait=20)
        assert [order.quantity for order in world.sent()] == [D("0.1"), D("0.12")]


async def test_others_who_never_stop_trading_delay_no_order_for_long(tmp_path: Path) -> None:
    """Their orders cancel each other out, so that every read shows what is believed."""
    async with scene(tmp_path, streams=True) as world:
        world.exchange().feeds = (Feed.PRICES, Feed.ORDERS)
        await world.restart(wait=30)
        await world.say("0.5", wait=75)

        async def trade() -> NoReturn:
            while True:
                world.exchange().push_order("", "BTCUSDT")
                await asyncio.sleep(1)

        async with asyncio.TaskGroup() as others:
            trading = others.create_task(trade())
            await asyncio.sleep(60)
            await world.say("0.8", wait=20)
            assert [order.quantity for order in world.sent()] == [D("0.1"), D("0.06")]
            trading.cancel()


async def test_a_read_that_shows_the_first_of_two_orders_is_not_enough(tmp_path: Path) -> None:
    async with scene(tmp_path, streams=True) as world:
        world.exchange().feeds = (Feed.PRICES, Feed.ORDERS)
        await world.restart(wait=30)
        await world.say("0.5", wait=75)
        world.exchange().read_lag = 2.0
        world.exchange().hold("BTCUSDT", "0.05")
        world.exchange().push_order("", "BTCUSDT")
        await asyncio.sleep(1)
        world.exchange().hold("BTCUSDT", "0.04")
        world.exchange().push_order("", "BTCUSDT")
        await world.say("0.8", wait=20)
        assert [order.quantity for order in world.sent()] == [D("0.1"), D("0.12")]


class Bystander:
    """Somebody who trades by hand while signals arrive and reads lag; orders are pushed, positions are not."""

    def __init__(self, world: Scene, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.goal = D(0)
        self.led_to: list[tuple[Decimal, Decimal]] = []
        """For each order of the engine: the position after it, and the goal."""
        world.exchange().on_fill = lambda: self.led_to.append((world.held(), self.goal))

    def trade(self) -> None:
        """Leave a position on the side of the goal, so that nothing but the goal is a reason for an order."""
        self.world.exchange().hold("BTCUSDT", self.chance.choice(["0.03", "0.07", "0.15", "0.21"]))
        self.world.exchange().push_order("", "BTCUSDT")

    async def signal(self) -> None:
        depth = self.chance.choice(["0.25", "0.5", "0.75", "1"])
        self.goal = D(depth) / 5
        await self.world.say(depth, wait=0)


@pytest.mark.parametrize("seed", range(6))
async def test_no_order_counts_on_what_others_have_changed(tmp_path: Path, seed: int) -> None:
    """They trade in bursts; between two bursts a read has the time to show the first."""
    async with scene(tmp_path, streams=True, accounts__one__adopt=True) as world:
        world.exchange().feeds = (Feed.PRICES, Feed.ORDERS)
        await world.restart(wait=30)
        chance = random.Random(seed)
        bystander = Bystander(world, chance)
        await bystander.signal()  # and an order, by which one sees that ids are pushed
        await asyncio.sleep(20)
        for _ in range(50):
            world.exchange().read_lag = chance.choice([0.0, 0.3, 2.0, 6.0])
            for _ in range(chance.randint(0, 3)):
                bystander.trade()
                await asyncio.sleep(chance.choice([0.01, 0.5, 2]))
            await bystander.signal()
            await asyncio.sleep(chance.choice([20, 40]))
        assert len(bystander.led_to) > 10, "it was not kept from trading"
        assert [position for position, _ in bystander.led_to] == [goal for _, goal in bystander.led_to]


async def test_own_orders_that_are_pushed_without_an_id_delay_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path, streams=True) as world:
        world.exchange().feeds = (Feed.PRICES, Feed.ORDERS)
        push_order = world.exchange().push_order
        monkeypatch.setattr(world.exchange(), "push_order", lambda _, symbol: push_order("", symbol))
        await world.restart(wait=30)
        await world.say("0.5", wait=2)
        assert world.at_target()
        await world.say("-0.5", wait=2)
        assert world.held() == D("-0.1")
        assert world.at_target()
