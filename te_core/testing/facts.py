"""Conformance cases about what the engine relies on: fresh reads, pushes, dated requests, a stable identity."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from te_core.contracts.exchange import Feed
from te_core.model.reading import Known
from te_core.runtime.supervisor import Running
from te_core.testing.steps import hold
from te_core.testing.worker_harness import WorkerHarness

FIFTH = Decimal("0.2")
MEANWHILE = 0.1
"""Seconds between two reads."""


class FactCases:
    """Cases E29 to E32."""

    async def test_e29_every_read_asks(self, harness: WorkerHarness) -> None:
        """Each read requests a new answer; a cached one would make the engine wait for something newer."""
        async with harness:
            symbol = harness.exchange.symbols[0]
            await hold(harness, symbol, FIFTH)
            account = harness.account
            reads: dict[str, Callable[[], Awaitable[Known[Any]]]] = {
                "positions": account.positions,
                "equity": account.equity,
                "prices": lambda: account.prices([symbol]),
            }
            for what, read in reads.items():
                first = await read()
                await asyncio.sleep(MEANWHILE)
                assert (await read()).as_of > first.as_of, (
                    f"{what}: the second read returned the first answer"
                )

    async def test_e30_what_is_up_is_pushed(self, harness: WorkerHarness) -> None:
        """Every feed that is up pushes, and none pushes before it is up; positions are polled until then."""
        if not harness.capabilities.private_stream:
            pytest.skip("the exchange has no private stream, or the plugin does not use it")
        async with harness:
            symbol = harness.exchange.symbols[0]
            await harness.until(lambda: bool(harness.account.pushed.live), "a feed to be up")
            for depth in (FIFTH, 2 * FIFTH):
                await shown(harness, symbol, await hold(harness, symbol, depth))
            assert not harness.account.pushed.unannounced

    async def test_e31_changes_are_dated(self, harness: WorkerHarness) -> None:
        """Each request that changes something uses one date, and none is sent if the engine refuses to date it."""
        async with harness:
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH, 2)
            sent = await harness.exchange.changes()
            if sent is None:
                assert harness.dates.given >= len(harness.account.sent)
            else:
                assert harness.dates.given == sent
            harness.dates.refused = True
            for depth, leverage in ((-FIFTH, 2), (FIFTH, 3)):
                harness.set_target(symbol, depth, leverage)
                await harness.quiet()
                assert await harness.exchange.position(symbol) == want
                shown = (await harness.account.positions()).value[symbol]
                assert shown.leverage in (None, 2)
            assert await harness.exchange.changes() == sent
            harness.dates.refused = False
            await harness.until_confirmed(symbol)

    async def test_e32_the_account_stays_the_same(self, harness: WorkerHarness) -> None:
        """A new connection reports the same account: targets, goals and limits depend on it."""
        async with harness:
            first = await harness.account.identity()
            assert first is None or first.uid, "an account without an id cannot be distinguished from another"
            await harness.crash()
            harness.start()
            await harness.until(
                lambda: harness.runner.health.status is Running.RUNNING, "the next connection"
            )
            assert await harness.account.identity() == first


async def shown(harness: WorkerHarness, symbol: str, quantity: Decimal) -> None:
    """Wait until every feed that is up has pushed its part: the position, its orders, the equity and the price."""
    executed = {execution.client_order_id for execution in await harness.exchange.executed()}

    def silent() -> set[Feed]:
        pushed = harness.account.pushed
        position = pushed.positions.get(symbol)
        done = {
            Feed.POSITIONS: position is not None and position.quantity == quantity,
            Feed.ORDERS: {name for name, _ in pushed.orders} >= executed,
            Feed.EQUITY: bool(pushed.equities),
            Feed.PRICES: symbol in pushed.prices,
        }
        return {feed for feed in pushed.live if not done[feed]}

    await harness.until(lambda: not silent(), "everything that is up to be pushed")
