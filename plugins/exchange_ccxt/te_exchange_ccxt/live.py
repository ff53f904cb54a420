"""Follows an account's streams and passes on what they bring; whether that is fresh is the engine's to judge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from te_core.api import AccountStream, Clock, Feed, OrderStatus, Outages, TradeEngineError
from te_exchange_ccxt.library import BaseError
from te_exchange_ccxt.symbols import Symbols
from te_exchange_ccxt.venue import STATUSES, Venue
from te_exchange_ccxt.wire import NONSENSE, ZERO, Row, number

FEEDS = {
    "positions": Feed.POSITIONS,
    "orders": Feed.ORDERS,
    "balance": Feed.EQUITY,
    "tickers": Feed.PRICES,
}
"""What an adapter calls them and what the engine does."""

NEVER = float("-inf")
SILENCE = 13.0
"""Seconds without any message, pongs included, after which a connection counts as dead: more than two pings."""
GRACE = 1.0
"""Seconds after subscribing in which a refusal would have come: some exchanges confirm nothing."""
TICK = 0.5
FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
"""Seconds before a stream that broke is opened again. One that was up for less than the longest may break again."""
QUIET = 600.0
"""Seconds without an unreadable message after which that outage is over."""
ORDERS_REMEMBERED = 500
"""Orders whose last state is known, of each account: more than ccxt repeats out of its cache."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One followed kind. ``up``: since when it is pushed, None while it is not. Times of the steady clock.

    ``steady``: it did not break soon after it was up, so that it has recovered as soon as it is up again.
    """

    kind: str
    started: float = NEVER
    up: float | None = None
    steady: bool = True

    @property
    def feed(self) -> Feed:
        """The engine's name for it."""
        return FEEDS[self.kind]

    @property
    def private(self) -> bool:
        """Whether it is the account's own."""
        return self.kind != "tickers"

    @property
    def outage(self) -> str:
        """What its outage is called."""
        return f"stream of {self.kind}"


class AccountStreams:
    """The streams of one account while the engine watches them.

    ``knows`` returns whether the exchange lists a market, whatever coin it pays in. ``wanted`` has the symbols whose
    prices are followed (engine's to ccxt's) and may grow at any time.
    """

    def __init__(
        self,
        venue: Venue,
        stream: AccountStream,
        *,
        clock: Clock,
        outages: Outages,
        symbols: Callable[[], Symbols],
        knows: Callable[[str], bool],
        wanted: Mapping[str, str],
    ) -> None:
        self.subscriptions = [Subscription(kind) for kind in sorted(venue.followed())]
        self._venue = venue
        self._stream = stream
        self._clock = clock
        self._outages = outages
        self._symbols = symbols
        self._knows = knows
        self._wanted = wanted
        self._heard = {True: NEVER, False: NEVER}
        self._carried: Sequence[bool] = ()
        self._raw = False
        self._unreadable_at: float | None = None
        self._orders: dict[str, object] = {}
        self._unlisted: set[str] = set()

    # -- life

    async def run(self) -> None:
        """Follow what the exchange can push, until cancelled. Raises whatever is a defect."""
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
        """Whether everything is up that can be followed and was asked for."""
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

    # -- what the client hears

    def message(self, url: str, message: Any) -> bool:
        """Pass on a raw message. Returns whether the adapter parsed it: ccxt need not, which halves a burst's cost."""
        try:
            if isinstance(message, Mapping) and (confirmed := self._venue.confirmation(message)):
                self._venue.confirmed(url).add(confirmed)
            self._carried = self._venue.streams_at(url)
            self._hear()
            pushed = self._venue.pushed(message) if isinstance(message, Mapping) else ()
            self._raw = pushed is not None
            for kind, found in pushed or ():
                self._pass_on(kind, found)
        except (TradeEngineError, *NONSENSE) as error:
            self._unreadable_at = self._now
            self._outages.failing(
                "stream of messages", f"cannot parse a stream message ({type(error).__name__})"
            )
            self.lose(url)
            return False
        if self._unreadable_at is not None and self._now - self._unreadable_at > QUIET:
            self._unreadable_at = None
            self._outages.well("stream of messages")
        return bool(pushed)

    def resolved(self, message_hash: str, result: Any) -> None:
        """Pass on what ccxt made of a message, unless the adapter parsed it itself."""
        kind = None if self._raw else self._venue.kind_resolved(message_hash)
        if kind is not None:
            self._pass_on(kind, result)

    def lose(self, url: str) -> None:
        """Report that a connection broke, or that what it brought cannot be read."""
        for one in self.subscriptions:
            if one.private in (self._venue.streams_at(url) or (True,)):
                one.started = self._now
                self._down(one)

    def _hear(self) -> None:
        for private in self._carried:
            self._heard[private] = self._now
        live = [one.feed for one in self.subscriptions if one.up is not None and one.private in self._carried]
        if live:
            self._stream.alive(*live)

    # -- what was pushed

    def _pass_on(self, kind: str, found: Any) -> None:
        """Pass on ccxt's structures of a kind: one, several, or by symbol. The first shows that they are pushed."""
        for one in self.subscriptions:
            if one.kind == kind and one.up is None:
                self._up(one)
        rows = [found] if isinstance(found, Mapping) else found
        if kind == "positions":
            self._positions(rows)
        elif kind == "orders":
            self._closed_orders(rows)
        elif kind == "balance" and isinstance(found, Mapping):
            equity = self._venue.pushed_equity(found)
            if equity is not None:
                self._stream.equity(equity)
        elif kind == "tickers":
            rows = list(found.values()) if isinstance(found, Mapping) and "symbol" not in found else rows
            self._tickers(rows)

    def _symbol(self, row: Row) -> str | None:
        """Return the engine's symbol of a row; a read finds out, once, what a market is that is not in the list."""
        name = str(row.get("symbol"))
        symbol = self._symbols().engine(name)
        if symbol is None and name not in self._unlisted and not self._knows(name):
            self._unlisted.add(name)
            self._stream.changed()
        return symbol

    def _positions(self, rows: Sequence[Row]) -> None:
        if any(self._venue.hedged(row) for row in rows):
            self._stream.changed()  # what is wrong with the account or the symbol the next read shows
        symbols = self._symbols()
        for row in rows:
            if self._venue.hedged(row):
                continue
            symbol = self._symbol(row)
            market = symbols.market(symbol) if symbol else None
            if symbol and market:
                self._stream.position(self._venue.position(symbol, row, market))

    def _closed_orders(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if not self._is_news(row):
                continue
            over = STATUSES.get(str(row.get("status")), OrderStatus.OPEN) is not OrderStatus.OPEN
            if over or number(row.get("filled")):
                symbol = self._symbol(row)
                if symbol:
                    self._stream.order(self._venue.client_order_id(row) or "", symbol)

    def _is_news(self, row: Row) -> bool:
        """Return whether an order changed: ccxt repeats orders out of its cache."""
        name, state = str(row.get("id")), (row.get("status"), row.get("filled"))
        known = self._orders.pop(name, None) == state
        self._orders[name] = state  # the newest last, so that those go which nobody repeats any more
        if len(self._orders) > ORDERS_REMEMBERED:
            del self._orders[next(iter(self._orders))]
        return not known

    def _tickers(self, rows: Sequence[Row]) -> None:
        for row in rows:
            symbol, price = self._symbols().engine(row.get("symbol")), self._venue.price(row)
            if symbol and price is not None and price > ZERO:
                self._stream.price(symbol, price)

    # -- following

    async def _follow(self, one: Subscription) -> None:
        """Keep one kind followed; whatever ends it is tried again after a pause."""
        pause = FIRST_PAUSE
        while True:
            began = self._now
            try:
                await self._subscribed(one)
            except (BaseError(), TimeoutError, OSError, *NONSENSE, TradeEngineError) as error:
                self._outages.failing(one.outage, str(error).split("?", 1)[0][:200] or type(error).__name__)
            self._down(one)
            self._venue.stream_broke(private=one.private)
            pause = FIRST_PAUSE if self._now - began > LAST_PAUSE else min(pause * 2, LAST_PAUSE)
            await asyncio.sleep(pause)

    async def _subscribed(self, one: Subscription) -> None:
        """Follow until something breaks. Pushes arrive through ``message``; awaiting ccxt shows errors only."""
        asked = dict(self._wanted)
        while one.kind == "tickers" and not asked:
            await asyncio.sleep(TICK)
            asked = dict(self._wanted)
        one.started = self._now
        while True:
            task = asyncio.ensure_future(self._watch(one.kind, list(asked.values())))
            try:
                while not (await asyncio.wait({task}, timeout=TICK))[0]:
                    self._check(one)
                    if one.kind == "tickers" and asked != self._wanted:
                        asked = dict(self._wanted)
                        break
                else:
                    if (
                        task.cancelled()
                    ):  # by ccxt, which does so to whoever waits when it closes a connection
                        raise ConnectionError("its connection was closed")
                    task.result()
                    self._check(one)
                    await asyncio.sleep(TICK)  # what comes meanwhile is passed on all the same
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _watch(self, kind: str, symbols: Sequence[str]) -> Awaitable[Any]:
        venue = self._venue
        if kind == "tickers":
            return venue.watch_tickers(symbols)
        calls = {
            "positions": venue.watch_positions,
            "orders": venue.watch_orders,
            "balance": venue.watch_balance,
        }
        return calls[kind]()

    def _check(self, one: Subscription) -> None:
        """Count a subscription as up once something was heard and no refusal came; end one that is silent.

        What was heard may be of others on that connection. Positions, which orders follow from, need a push of their
        own where the exchange confirms no subscription.
        """
        now, heard = self._now, self._heard[one.private]
        if one.up is None and self._venue.dialling():
            one.started = now
        sure = one.feed is not Feed.POSITIONS or self._venue.confirms
        if one.up is None and sure and heard > one.started and now >= one.started + GRACE:
            self._up(one)
        if one.up is not None and (one.steady or now >= one.up + LAST_PAUSE):
            self._outages.well(one.outage)  # else not at once: it may be made and closed again for hours
        if now - max(heard, one.started) > SILENCE:
            self._venue.hang_up(private=one.private)
            raise TimeoutError(f"silent for {SILENCE:g} s")
