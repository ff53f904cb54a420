"""Follow an account's streams and report what they push; the engine judges whether that is recent enough."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from te_core.api import AccountStream, Clock, Feed, OrderStatus, Outages, TradeEngineError
from te_exchange_ccxt.adapter.exchange_adapter import STATUSES, ExchangeAdapter
from te_exchange_ccxt.lazy_ccxt import BaseError
from te_exchange_ccxt.parsing import MALFORMED, ZERO, Row, number
from te_exchange_ccxt.symbols import Symbols

FEEDS = {
    "positions": Feed.POSITIONS,
    "orders": Feed.ORDERS,
    "balance": Feed.EQUITY,
    "tickers": Feed.PRICES,
}
"""The engine's feed of each kind that an adapter names."""

NEVER = float("-inf")
HEARTBEAT_TIMEOUT = 13.0
"""Seconds without any message, pongs included, after which a connection counts as dead: more than two pings."""
REFUSAL_GRACE = 1.0
"""Seconds after subscribing within which a refusal would have come: some exchanges confirm nothing."""
TICK = 0.5
FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
"""Seconds before a broken stream is opened again. One that was up for less than the longest pause may break again."""
PARSE_ERROR_MEMORY = 600.0
"""Seconds without an unreadable message after which that outage is over."""
REMEMBERED_ORDERS = 500
"""Orders per account whose last state is remembered: more than ccxt repeats from its cache."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One followed kind. Times are of the monotonic clock."""

    kind: str
    started: float = NEVER
    up: float | None = None
    """Since when it is pushed; None while it is not."""
    steady: bool = True
    """Whether it has not broken soon after it was up; then it has recovered as soon as it is up again."""

    @property
    def feed(self) -> Feed:
        """The engine's name of it."""
        return FEEDS[self.kind]

    @property
    def private(self) -> bool:
        """Whether it is the account's own."""
        return self.kind != "tickers"

    @property
    def outage(self) -> str:
        """Name of its outage: the engine recognises streams by the word at its beginning."""
        return f"stream of {self.kind}"


class AccountStreams:
    """Streams of one account while the engine watches them.

    ``is_listed`` returns whether the exchange lists a market, whatever its settle coin. ``wanted`` has the symbols
    whose prices are followed (engine's to ccxt's) and may grow at any time.
    """

    def __init__(
        self,
        adapter: ExchangeAdapter,
        stream: AccountStream,
        *,
        clock: Clock,
        outages: Outages,
        symbols: Callable[[], Symbols],
        is_listed: Callable[[str], bool],
        wanted: Mapping[str, str],
    ) -> None:
        self.subscriptions = [Subscription(kind) for kind in sorted(adapter.followed())]
        self._adapter = adapter
        self._stream = stream
        self._clock = clock
        self._outages = outages
        self._symbols = symbols
        self._is_listed = is_listed
        self._wanted = wanted
        self._seen_at = {True: NEVER, False: NEVER}
        self._channels: Sequence[bool] = ()
        self._raw = False
        self._unreadable_at: float | None = None
        self._orders: dict[str, object] = {}
        self._unlisted: set[str] = set()

    # -- life cycle

    async def run(self) -> None:
        """Follow everything that the exchange can push, until cancelled. Raises defects."""
        tasks = [asyncio.create_task(self._follow(one)) for one in self.subscriptions]
        try:
            if not tasks:
                await asyncio.Event().wait()
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for one in self.subscriptions:
                self._down(one)

    @property
    def complete(self) -> bool:
        """Whether everything is up that can be followed and was requested."""
        return all(one.up is not None for one in self.subscriptions if one.private or self._wanted)

    @property
    def _now(self) -> float:
        return self._clock.monotonic()

    def _up(self, one: Subscription) -> None:
        one.up = self._now
        self._stream.up(one.feed)

    def _down(self, one: Subscription) -> None:
        if one.up is not None:
            one.steady = self._now - one.up > LAST_PAUSE
            one.up = None
            self._stream.down(one.feed)

    # -- MessageListener

    def message(self, url: str, message: Any) -> bool:
        """Process a raw message.

        Return whether the adapter parsed it, so that ccxt need not, which halves a burst's cost.
        """
        try:
            if isinstance(message, Mapping) and (confirmed := self._adapter.confirmation(message)):
                self._adapter.confirmed(url).add(confirmed)
            self._channels = self._adapter.streams_at(url)
            self._mark_seen()
            pushed = self._adapter.parse_message(message) if isinstance(message, Mapping) else ()
            self._raw = pushed is not None
            for kind, found in pushed or ():
                self._report(kind, found)
        except (TradeEngineError, *MALFORMED) as error:
            self._unreadable_at = self._now
            self._outages.failing(
                "stream of messages", f"cannot parse a stream message ({type(error).__name__})"
            )
            self.lose(url)
            return False
        if self._unreadable_at is not None and self._now - self._unreadable_at > PARSE_ERROR_MEMORY:
            self._unreadable_at = None
            self._outages.well("stream of messages")
        return bool(pushed)

    def resolved(self, message_hash: str, result: Any) -> None:
        """Process ccxt's result of a message, unless the adapter parsed the message itself."""
        kind = None if self._raw else self._adapter.kind_resolved(message_hash)
        if kind is not None:
            self._report(kind, result)

    def lose(self, url: str) -> None:
        """Mark a connection as broken, or its content as unreadable."""
        for one in self.subscriptions:
            if one.private in (self._adapter.streams_at(url) or (True,)):
                one.started = self._now
                self._down(one)

    def _mark_seen(self) -> None:
        for private in self._channels:
            self._seen_at[private] = self._now
        live = [
            one.feed for one in self.subscriptions if one.up is not None and one.private in self._channels
        ]
        if live:
            self._stream.alive(*live)

    # -- pushed data

    def _report(self, kind: str, found: Any) -> None:
        """Report ccxt structures of a kind: one, several, or by symbol. The first push shows that the kind is up."""
        for one in self.subscriptions:
            if one.kind == kind and one.up is None:
                self._up(one)
        rows = [found] if isinstance(found, Mapping) else found
        if kind == "positions":
            self._positions(rows)
        elif kind == "orders":
            self._closed_orders(rows)
        elif kind == "balance" and isinstance(found, Mapping):
            equity = self._adapter.pushed_equity(found)
            if equity is not None:
                self._stream.equity(equity)
        elif kind == "tickers":
            rows = list(found.values()) if isinstance(found, Mapping) and "symbol" not in found else rows
            self._tickers(rows)

    def _symbol(self, row: Row) -> str | None:
        """Return the engine's symbol of a row; for an unknown market request a read, once."""
        name = str(row.get("symbol"))
        symbol = self._symbols().engine(name)
        if symbol is None and name not in self._unlisted and not self._is_listed(name):
            self._unlisted.add(name)
            self._stream.changed()
        return symbol

    def _positions(self, rows: Sequence[Row]) -> None:
        if any(self._adapter.hedged(row) for row in rows):
            self._stream.changed()  # the next read shows what is wrong with the account or the symbol
        symbols = self._symbols()
        for row in rows:
            if self._adapter.hedged(row):
                continue
            symbol = self._symbol(row)
            market = symbols.market(symbol) if symbol else None
            if symbol and market:
                self._stream.position(self._adapter.position(symbol, row, market))

    def _closed_orders(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if not self._is_news(row):
                continue
            over = STATUSES.get(str(row.get("status")), OrderStatus.OPEN) is not OrderStatus.OPEN
            if over or number(row.get("filled")):
                symbol = self._symbol(row)
                if symbol:
                    self._stream.order(self._adapter.client_order_id(row) or "", symbol)

    def _is_news(self, row: Row) -> bool:
        """Return whether an order changed: ccxt repeats orders from its cache."""
        name, state = str(row.get("id")), (row.get("status"), row.get("filled"))
        known = self._orders.pop(name, None) == state
        self._orders[name] = state  # newest last, so that the oldest are dropped
        if len(self._orders) > REMEMBERED_ORDERS:
            del self._orders[next(iter(self._orders))]
        return not known

    def _tickers(self, rows: Sequence[Row]) -> None:
        for row in rows:
            symbol, price = self._symbols().engine(row.get("symbol")), self._adapter.price(row)
            if symbol and price is not None and price > ZERO:
                self._stream.price(symbol, price)

    # -- subscriptions

    async def _follow(self, one: Subscription) -> None:
        """Keep one kind subscribed; after any error try again after a pause."""
        pause = FIRST_PAUSE
        while True:
            began = self._now
            try:
                await self._subscribed(one)
            except (BaseError(), TimeoutError, OSError, *MALFORMED, TradeEngineError) as error:
                self._outages.failing(one.outage, str(error).split("?", 1)[0][:200] or type(error).__name__)
            self._down(one)
            self._adapter.stream_broke(private=one.private)
            pause = FIRST_PAUSE if self._now - began > LAST_PAUSE else min(pause * 2, LAST_PAUSE)
            await asyncio.sleep(pause)

    async def _subscribed(self, one: Subscription) -> None:
        """Follow until something breaks. Pushes arrive through ``message``; awaiting ccxt only reveals errors."""
        followed = dict(self._wanted)
        while one.kind == "tickers" and not followed:
            await asyncio.sleep(TICK)
            followed = dict(self._wanted)
        one.started = self._now
        while True:
            task = asyncio.ensure_future(self._watch(one.kind, list(followed.values())))
            try:
                while not (await asyncio.wait({task}, timeout=TICK))[0]:
                    self._check(one)
                    if one.kind == "tickers" and followed != self._wanted:
                        followed = dict(self._wanted)
                        break
                else:
                    if task.cancelled():  # by ccxt, which cancels all waiters when it closes a connection
                        raise ConnectionError("connection closed")
                    task.result()
                    self._check(one)
                    await asyncio.sleep(TICK)  # pushes that arrive meanwhile are reported all the same
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _watch(self, kind: str, symbols: Sequence[str]) -> Awaitable[Any]:
        adapter = self._adapter
        if kind == "tickers":
            return adapter.watch_tickers(symbols)
        calls = {
            "positions": adapter.watch_positions,
            "orders": adapter.watch_orders,
            "balance": adapter.watch_balance,
        }
        return calls[kind]()

    def _check(self, one: Subscription) -> None:
        """Mark a subscription as up once a message came and no refusal; raise ``TimeoutError`` for a silent one.

        The message may belong to other channels of that connection. Positions, from which orders follow, need a push
        of their own if the exchange does not confirm subscriptions.
        """
        now, seen_at = self._now, self._seen_at[one.private]
        if one.up is None and self._adapter.connecting():
            one.started = now
        sure = one.feed is not Feed.POSITIONS or self._adapter.confirms
        if one.up is None and sure and seen_at > one.started and now >= one.started + REFUSAL_GRACE:
            self._up(one)
        if one.up is not None and (one.steady or now >= one.up + LAST_PAUSE):
            self._outages.well(one.outage)  # else wait: it may open and close again for hours
        if now - max(seen_at, one.started) > HEARTBEAT_TIMEOUT:
            self._adapter.disconnect(private=one.private)
            raise TimeoutError(f"no message for {HEARTBEAT_TIMEOUT:g} s")
