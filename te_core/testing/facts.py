"""Cases of what the engine builds on: reads that ask, pushes that come, requests that it dates, one identity."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from te_core.contracts.exchange import Feed
from te_core.model.reading import Known
from te_core.runtime.supervisor import Running
from te_core.testing.desk import Desk
from te_core.testing.steps import hold

FIFTH = Decimal("0.2")
MEANWHILE = 0.1
"""Seconds between two reads."""


class FactCases:
    """Cases E29 to E32."""

    async def test_e29_every_read_asks(self, desk: Desk) -> None:
        """An answer that is repeated shows nothing new: the engine would wait for one that does."""
        async with desk:
            symbol = desk.venue.symbols[0]
            await hold(desk, symbol, FIFTH)
            account = desk.account
            reads: dict[str, Callable[[], Awaitable[Known[Any]]]] = {
                "positions": account.positions,
                "equity": account.equity,
                "prices": lambda: account.prices([symbol]),
            }
            for what, read in reads.items():
                first = await read()
                await asyncio.sleep(MEANWHILE)
                assert (await read()).as_of > first.as_of, f"{what}: the same answer again"

    async def test_e30_what_is_up_is_pushed(self, desk: Desk) -> None:
        """And what is pushed was up before; until it comes, the positions are read all the same."""
        if not desk.capabilities.private_stream:
            pytest.skip("the exchange pushes nothing, or is not listened to")
        async with desk:
            symbol = desk.venue.symbols[0]
            await desk.until(lambda: bool(desk.account.pushed.live), "a feed to be up")
            for depth in (FIFTH, 2 * FIFTH):
                await shown(desk, symbol, await hold(desk, symbol, depth))
            assert not desk.account.pushed.unannounced

    async def test_e31_changes_are_dated(self, desk: Desk) -> None:
        """Each request that changes something takes one date, and none is sent that the engine does not date."""
        async with desk:
            symbol = desk.venue.symbols[0]
            want = await hold(desk, symbol, FIFTH, 2)
            sent = await desk.venue.changes()
            if sent is None:
                assert desk.dates.given >= len(desk.account.sent)
            else:
                assert desk.dates.given == sent
            desk.dates.refused = True
            for depth, leverage in ((-FIFTH, 2), (FIFTH, 3)):
                desk.aim(symbol, depth, leverage)
                await desk.quiet()
                assert await desk.venue.position(symbol) == want
                shown = (await desk.account.positions()).value[symbol]
                assert shown.leverage in (None, 2)
            assert await desk.venue.changes() == sent
            desk.dates.refused = False
            await desk.until_confirmed(symbol)

    async def test_e32_the_account_stays_the_same(self, desk: Desk) -> None:
        """Another connection is to the same account: targets, goals and limits hang on that."""
        async with desk:
            first = await desk.account.identity()
            assert first is None or first.uid, "an account without a number is not told from another"
            await desk.crash()
            desk.start()
            await desk.until(lambda: desk.runner.health.status is Running.RUNNING, "the next connection")
            assert await desk.account.identity() == first


async def shown(desk: Desk, symbol: str, quantity: Decimal) -> None:
    """Wait until every feed that is up has shown a position, how it came about, and what it did."""
    executed = {execution.client_order_id for execution in await desk.venue.executed()}

    def silent() -> set[Feed]:
        pushed = desk.account.pushed
        position = pushed.positions.get(symbol)
        done = {
            Feed.POSITIONS: position is not None and position.quantity == quantity,
            Feed.ORDERS: {name for name, _ in pushed.orders} >= executed,
            Feed.EQUITY: bool(pushed.equities),
            Feed.PRICES: symbol in pushed.prices,
        }
        return {feed for feed in pushed.live if not done[feed]}

    await desk.until(lambda: not silent(), "everything that is up to be pushed")
