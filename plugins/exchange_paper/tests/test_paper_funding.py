"""Funding of a paper account: what was held at its time is charged once, also after an outage or a restart."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import FundingRate, MarginMode, OrderRequest
from te_exchange_paper.books import FILE_NAME

D = Decimal
MakeOrder = Callable[..., OrderRequest]


def announce(world: Any, hour: float, rate: str = "0.0001", *, settled: str | None = None) -> None:
    """Announce the rate of an hour from now; ``settled``: what the history will report for it."""
    at = world.at(hour)
    world.public.announced["BTCUSDT"] = FundingRate(at=at, rate=D(rate))
    if settled is not None and world.public.past is not None:
        world.public.past.setdefault("BTCUSDT", []).append(FundingRate(at=at, rate=D(settled)))


@pytest.mark.parametrize(("quantity", "wallet"), [("0.1", "9999.4"), ("-0.1", "10000.6")])
async def test_funding_is_charged_once_at_its_time_at_the_mark_price(
    world: Any, order: MakeOrder, quantity: str, wallet: str
) -> None:
    async with world.run() as account:
        announce(world, 1)
        await account.place_order(order(quantity))
        await asyncio.sleep(3600 - 1)
        assert await world.wallet() == 10_000
        await asyncio.sleep(10)
        assert await world.wallet() == D(wallet)
        await asyncio.sleep(600)
        assert await world.wallet() == D(wallet)


async def test_only_what_was_held_at_the_time_is_charged(world: Any, order: MakeOrder) -> None:
    async with world.run() as account:
        announce(world, 1)
        await account.place_order(order("0.1"))
        await asyncio.sleep(3600 + 1)
        await account.place_order(order("0.04"))  # before it is charged, but after the funding time
        await asyncio.sleep(5)
        assert await world.wallet() == D("9999.4")
        announce(world, 1)
        await asyncio.sleep(600)
        await account.place_order(order("-0.14"))
        await asyncio.sleep(3600)
        assert await world.wallet() == D("9999.4")
        assert not account.books.funded_until()


async def test_funding_from_while_the_engine_was_down_is_charged_once(world: Any, order: MakeOrder) -> None:
    async with world.run() as account:
        await account.place_order(order("0.1"))
        announce(world, 1, settled="0.0001")
        await asyncio.sleep(3600 + 10)
        assert await world.wallet() == D("9999.4")
    for hour in (8, 16):
        announce(world, hour, settled="0.0002")
    await asyncio.sleep(17 * 3600)
    for _ in range(3):
        async with world.run():
            await asyncio.sleep(100)
            assert await world.wallet() == D("9999.4") - D("2.4")
    assert world.told() == []


async def test_without_a_history_what_was_missed_is_an_event(world: Any, order: MakeOrder) -> None:
    world.public.past = None
    async with world.run() as account:
        await account.place_order(order("0.1"))
    await asyncio.sleep(10 * 3600)
    async with world.run():
        await asyncio.sleep(100)
        assert await world.wallet() == 10_000
    (event,) = world.events
    assert (event.kind, event.account, event.symbol) == ("funding", "paper", "BTCUSDT")
    assert "bybit has no past funding rates; what fell due since 2026-01-01" in event.text


async def test_a_funding_that_fell_into_an_outage_is_charged_after_it(world: Any, order: MakeOrder) -> None:
    async with world.run() as account:
        announce(world, 1, settled="0.0003")
        await account.place_order(order("0.1"))
        await asyncio.sleep(3000)
        world.public.down()
        await asyncio.sleep(1200)
        assert await world.wallet() == 10_000
        world.public.failing = None
        announce(world, 1)
        await asyncio.sleep(200)
        assert await world.wallet() == 10_000 - D("1.8")
        assert world.told() == ["outage", "recovery"]


async def test_funding_reduces_isolated_margin_when_all_else_is_spent(world: Any, order: MakeOrder) -> None:
    async with world.run(balance=600) as account:
        announce(world, 1, rate="0.02")
        await account.set_leverage("BTCUSDT", 10, MarginMode.ISOLATED)
        await account.place_order(order("0.1"))
        before = (await account.positions()).value["BTCUSDT"].liquidation_price
        await asyncio.sleep(3600 + 10)
        assert await world.wallet() == 600 - 120
        after = (await account.positions()).value["BTCUSDT"].liquidation_price
        assert before is not None
        assert after is not None
        assert after > before


async def test_without_live_prices_nothing_is_charged_also_not_later(world: Any, order: MakeOrder) -> None:
    async with world.run() as account:
        await account.place_order(order("0.1"))
    world.state(60_000)
    announce(world, 1, settled="0.0001")
    async with world.run(prices_from=None):
        await asyncio.sleep(4000)
    async with world.run():
        await asyncio.sleep(100)
        assert await world.wallet() == 10_000


async def test_an_account_of_the_earlier_version_goes_on(world: Any, order: MakeOrder) -> None:
    async with world.run() as account:
        await account.place_order(order("0.1"))
    with closing(sqlite3.connect(world.folder / FILE_NAME)) as file:
        file.executescript(
            "DROP TABLE funding; DROP TABLE payments; DROP TABLE stops; PRAGMA user_version=1;"
        )
    announce(world, 1)
    async with world.run() as account:
        assert (await account.positions()).value["BTCUSDT"].quantity == D("0.1")
        await asyncio.sleep(3600 + 10)
        assert await world.wallet() == D("9999.4")
