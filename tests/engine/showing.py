"""How an exchange shows what is true of an account: late, in part, twice, or not at all.

Reads and pushes may lag behind each other, pushes get lost, a stream dies silently, one symbol's prices are no longer
pushed while the connection lives, and a read repeats its last response, including its timestamp.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from te_core.api import AccountStream, Equity, Feed, Known, NotReady, Position
from te_core.clock import Clock

T = TypeVar("T")
FEEDS = (Feed.POSITIONS, Feed.EQUITY, Feed.PRICES, Feed.ORDERS)
ONLY_ORDERS = (Feed.PRICES, Feed.ORDERS)
"""The feeds of exchanges that do not push positions or the account's value."""
HEARTBEAT = 5.0
"""Seconds between two heartbeats on the stream."""
SUSPENDED = "machine suspended"
ARRIVED = 20.0
"""Seconds after which an order has arrived and is shown: the exchange's timers stand still in a suspension, too."""
LONGEST_LAG = 6.0
"""Maximum lag of reads and pushes in seconds; within ``visibility_window``."""

KINDS = (
    "reads lag",
    "pushes lag",
    "pushes get lost",
    "stream dies in silence",
    "stream breaks",
    "ticker stops",
    "reads repeat themselves",
)


class Showing:
    """Stands between the truth of one account and whatever reads it or follows its stream.

    ``longest_read_lag``: for exchanges where the position alone judges an outcome, the order's own delay counts too.
    ``feeds``: what it pushes.
    ``counts``: how often each kind of event really happened, i.e. something was shown because of it.
    """

    def __init__(
        self,
        clock: Clock,
        chance: random.Random,
        counts: Counter[str],
        *,
        longest_read_lag: float = LONGEST_LAG,
        feeds: tuple[Feed, ...] = FEEDS,
    ) -> None:
        self._clock, self._chance, self.counts = clock, chance, counts
        self._longest_read_lag = longest_read_lag
        self._feeds = feeds
        self._history: deque[tuple[float, Mapping[str, Position]]] = deque([(-1e9, {})])
        self._answers: dict[str, Any] = {}
        self._stream: AccountStream | None = None
        self._due = 0.0
        self._broken = asyncio.Event()
        self.muted: set[str] = set()
        self.clear()

    def clear(self) -> None:
        """Show everything at once from now on."""
        self.read_lag = self.push_lag = self.lost = 0.0
        self.repeats: frozenset[str] = frozenset()
        self.muted.clear()
        if getattr(self, "silent", False):
            self._broken.set()
        self.silent = False

    def draw(self, symbols: tuple[str, ...], kinds: frozenset[str]) -> None:
        """Change how things are shown, until the next change."""
        chance = self._chance
        self.clear()
        on = [kind for kind in KINDS if kind in kinds and chance.random() < 0.3]
        if "reads lag" in on:
            self.read_lag = min(chance.choice([0.3, 1, 4, LONGEST_LAG]), self._longest_read_lag)
        if "pushes lag" in on:
            self.push_lag = chance.choice([0.3, 1, 4, LONGEST_LAG])
        if "pushes get lost" in on:
            self.lost = chance.choice([0.2, 1])
        if "ticker stops" in on:
            self.muted.add(chance.choice(symbols))
        if "reads repeat themselves" in on and chance.random() < 0.5:
            self.repeats = frozenset(chance.sample(["positions", "equity", "prices"], chance.randint(1, 2)))
        if "stream dies in silence" in on:
            self.silent = True
        if "stream breaks" in on:
            self._broken.set()

    # -- what is asked

    def changed(self, held: Mapping[str, Position]) -> None:
        """Record the true position after each change."""
        now = self._clock.monotonic()
        self._history.append((now, dict(held)))
        while self._history[1][0] < now - 2 * LONGEST_LAG:
            self._history.popleft()

    def held_all_along(self, held: Mapping[str, Position]) -> None:
        """Never show an earlier state than this one, which is from long before the engine."""
        self._history = deque([(-1e9, dict(held))])

    def held(self) -> tuple[float, Mapping[str, Position]]:
        """Return the positions that a read shows now, and their time."""
        lag = self.read_lag and self._chance.choice([self.read_lag, self._chance.uniform(0, self.read_lag)])
        seen = self._clock.monotonic() - lag
        shown = next(held for at, held in reversed(self._history) if at <= seen)
        self.counts["reads lag"] += shown != self._history[-1][1]
        return seen, shown

    def answer(self, method: str, known: Known[T]) -> Known[T]:
        """Return the response of a read: the latest, or a repetition of the one before."""
        if method in self.repeats and method in self._answers:
            self.counts["reads repeat themselves"] += self._answers[method].value != known.value
            return cast("Known[T]", self._answers[method])
        self._answers[method] = known
        return known

    # -- what is pushed

    def position(self, position: Position) -> None:
        """Push a position."""
        self._push(Feed.POSITIONS, lambda stream: stream.position(position))

    def equity(self, equity: Equity) -> None:
        """Push the account's value."""
        self._push(Feed.EQUITY, lambda stream: stream.equity(equity))

    def order(self, client_order_id: str, symbol: str) -> None:
        """Push that an order was filled or ended."""
        self._push(Feed.ORDERS, lambda stream: stream.order(client_order_id, symbol))

    def _push(self, feed: Feed, push: Callable[[AccountStream], None]) -> None:
        """Deliver in order, later or never."""
        stream, loop = self._stream, asyncio.get_running_loop()
        if stream is None or feed not in self._feeds:
            return
        if self.silent or self._chance.random() < self.lost:
            self.counts["stream dies in silence" if self.silent else "pushes get lost"] += 1
            return
        self.counts["pushes lag"] += self.push_lag > 0
        self._due = max(loop.time() + self.push_lag, self._due)
        loop.call_at(self._due, lambda: push(stream) if stream is self._stream else None)

    async def watch(self, stream: AccountStream, price: Mapping[str, Any]) -> None:
        """Follow the account; raises ``NotReady`` when the connection breaks."""
        self._broken.clear()
        self._stream = stream
        self.counts["only orders are pushed"] += self._feeds == ONLY_ORDERS
        stream.up(*self._feeds)
        try:
            while True:
                if not self.silent:
                    self._tick(stream, price)
                try:
                    async with asyncio.timeout(HEARTBEAT):
                        await self._broken.wait()
                    break
                except TimeoutError:
                    continue
            self.counts["stream breaks"] += 1
        finally:
            self._stream = None
        stream.down(*self._feeds)
        raise NotReady("the connection broke")

    def _tick(self, stream: AccountStream, price: Mapping[str, Any]) -> None:
        stream.alive(*self._feeds)
        for symbol, value in price.items():
            if symbol in self.muted:
                self.counts["ticker stops"] += 1
            else:
                stream.price(symbol, value)
