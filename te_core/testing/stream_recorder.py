"""A stand-in for the engine that receives what an account's streams push, and records it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from te_core.contracts.exchange import AccountStream, ExchangeAccount, Feed
from te_core.model.position import Equity, Position


class StreamRecorder(AccountStream):
    """Records what an account pushes: every call in order, and the newest values.

    ``onward``: a stream that every call is passed on to.
    """

    def __init__(self, onward: AccountStream | None = None) -> None:
        self.calls: list[tuple[object, ...]] = []
        """Every call in order, such as ``("up", Feed.ORDERS)``."""
        self.live: set[Feed] = set()
        """Feeds that are up."""
        self.unannounced: set[Feed] = set()
        """Feeds that pushed something while they were not up."""
        self.positions: dict[str, Position] = {}
        self.equities: list[Equity] = []
        self.prices: dict[str, Decimal] = {}
        self.orders: list[tuple[str, str]] = []
        self.changes = 0
        self._onward = onward

    def up(self, *feeds: Feed) -> None:
        """Record the call."""
        self.live.update(feeds)
        self._called("up", *feeds)

    def alive(self, *feeds: Feed) -> None:
        """Record the call."""
        self._called("alive", *feeds)

    def down(self, *feeds: Feed) -> None:
        """Record the call."""
        self.live.difference_update(feeds)
        self._called("down", *feeds)

    def position(self, position: Position) -> None:
        """Record the call."""
        self.positions[position.symbol] = position
        self._pushed(Feed.POSITIONS, "position", position)

    def equity(self, equity: Equity) -> None:
        """Record the call."""
        self.equities.append(equity)
        self._pushed(Feed.EQUITY, "equity", equity)

    def price(self, symbol: str, price: Decimal) -> None:
        """Record the call."""
        self.prices[symbol] = price
        self._pushed(Feed.PRICES, "price", symbol, price)

    def order(self, client_order_id: str, symbol: str) -> None:
        """Record the call."""
        self.orders.append((client_order_id, symbol))
        self._pushed(Feed.ORDERS, "order", client_order_id, symbol)

    def changed(self) -> None:
        """Record the call."""
        self.changes += 1
        self._called("changed")

    def _pushed(self, feed: Feed, method: str, *values: object) -> None:
        if feed not in self.live:
            self.unannounced.add(feed)
        self._called(method, *values)

    def _called(self, method: str, *values: object) -> None:
        self.calls.append((method, *values))
        if self._onward is not None:
            getattr(self._onward, method)(*values)


@asynccontextmanager
async def watching(
    account: ExchangeAccount, recorder: StreamRecorder | None = None
) -> AsyncIterator[StreamRecorder]:
    """Run ``account.watch`` within this block; raise the error that ended it if it ended early."""
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
