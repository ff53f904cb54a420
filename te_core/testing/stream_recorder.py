"""Plays the engine towards an account that passes on what its exchange pushes, and records what came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from te_core.contracts.exchange import AccountStream, ExchangeAccount, Feed
from te_core.model.position import Equity, Position


class StreamRecorder(AccountStream):
    """``calls`` has every call in order, such as ``("up", Feed.ORDERS)``; the rest is what holds now.

    ``live``: feeds that are up. ``unannounced``: feeds of which something was pushed while they were not up.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.live: set[Feed] = set()
        self.unannounced: set[Feed] = set()
        self.positions: dict[str, Position] = {}
        self.equities: list[Equity] = []
        self.prices: dict[str, Decimal] = {}
        self.orders: list[tuple[str, str]] = []
        self.changes = 0

    def up(self, *feeds: Feed) -> None:
        """Record it."""
        self.calls.append(("up", *feeds))
        self.live.update(feeds)

    def heard(self, *feeds: Feed) -> None:
        """Record it."""
        self.calls.append(("heard", *feeds))

    def down(self, *feeds: Feed) -> None:
        """Record it."""
        self.calls.append(("down", *feeds))
        self.live.difference_update(feeds)

    def position(self, position: Position) -> None:
        """Record it."""
        self._pushed(Feed.POSITIONS, "position", position)
        self.positions[position.symbol] = position

    def equity(self, equity: Equity) -> None:
        """Record it."""
        self._pushed(Feed.EQUITY, "equity", equity)
        self.equities.append(equity)

    def price(self, symbol: str, price: Decimal) -> None:
        """Record it."""
        self._pushed(Feed.PRICES, "price", symbol, price)
        self.prices[symbol] = price

    def order(self, client_order_id: str, symbol: str) -> None:
        """Record it."""
        self._pushed(Feed.ORDERS, "order", client_order_id, symbol)
        self.orders.append((client_order_id, symbol))

    def changed(self) -> None:
        """Record it."""
        self.calls.append(("changed",))
        self.changes += 1

    def _pushed(self, feed: Feed, *call: object) -> None:
        self.calls.append(call)
        if feed not in self.live:
            self.unannounced.add(feed)


@asynccontextmanager
async def watching(
    account: ExchangeAccount, recorder: StreamRecorder | None = None
) -> AsyncIterator[StreamRecorder]:
    """Have an account watched within this block. Raises what ended ``watch``, should it end by itself."""
    recorder = recorder or StreamRecorder()
    task = asyncio.create_task(account.watch(recorder))
    try:
        yield recorder
    finally:
        ended = task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if ended:
            task.result()
