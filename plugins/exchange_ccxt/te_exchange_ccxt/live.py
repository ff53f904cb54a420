"""Follows an account's streams and answers from memory while that is honest; otherwise nothing, and one reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from te_core.api import AuthError, Clock, ConfigError, Equity, Known, OrderStatus, Position, TradeEngineError
from te_exchange_ccxt.library import BaseError
from te_exchange_ccxt.memory import SILENCE, Feed, Memory
from te_exchange_ccxt.symbols import Symbols
from te_exchange_ccxt.venue import STATUSES, Venue
from te_exchange_ccxt.wire import NONSENSE, ZERO, Row, number

if TYPE_CHECKING:
    from loguru import Logger

GRACE = 1.0
"""Seconds after subscribing in which a refusal would have come: some exchanges confirm nothing."""
TICK = 0.5
FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
BASELINE_PAUSE = 5.0
"""Seconds after a background read that failed; doubled up to ``LAST_PAUSE``."""
DISTRUST = 600.0
"""Seconds for which positions are read although they are pushed, after a push was missed; also those without a push
that makes no sense after which the next one is told again.
"""


class Live:
    """The streams of one account. ``reread`` reads positions, equity or both and gives them to ``memory``."""

    def __init__(
        self,
        venue: Venue,
        clock: Clock,
        log: Logger,
        symbols: Callable[[], Symbols],
        reread: Callable[[Collection[str]], Awaitable[None]],
    ) -> None:
        self.memory = Memory(poll=venue.poll)
        self._venue = venue
        self._clock = clock
        self._log = log
        self._symbols = symbols
        self._reread = reread
        self._notify: Callable[[], None] = lambda: None
        self._resting: asyncio.TimerHandle | None = None
        self._unsaid = False
        self._tasks: list[asyncio.Task[None]] = []
        self._wanted: dict[str, str] = {}
        self._troubled: set[str] = set()
        self._puzzled_at: float | None = None
        self._raw = False
        self._orders: dict[str, object] = {}

    # -- life

    def start(self) -> None:
        """Begin to follow what the venue can push."""
        for kind in sorted(self._venue.followed()):
            self.memory.feeds[kind] = Feed(private=kind != "tickers")
            self._begin(kind, self._follow(kind))
        self._begin("what was read", self._keep_baseline())

    def _begin(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(partial(self._ended, what))
        self._tasks.append(task)

    def _ended(self, what: str, task: asyncio.Task[None]) -> None:
        """Tell of a defect: nothing waits for these tasks. What is not followed is read."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.memory.feeds.pop(what, None)
            text = "following {} ended by a defect: {}: {}; reading from now on"
            self._log.error(text, what, type(error).__name__, error)

    async def stop(self) -> None:
        """Stop following."""
        if self._resting is not None:
            self._resting.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def watch(self, notify: Callable[[], None]) -> None:
        """Call ``notify`` on changes that are not of our own doing, until cancelled."""
        self._notify = notify
        await asyncio.Event().wait()

    def _wake(self) -> None:
        """Notify at once, then not again for as long as between two polls: whoever else trades there may never rest."""
        self._unsaid = self._resting is not None
        if not self._unsaid:
            self._notify()
            self._resting = asyncio.get_running_loop().call_later(self.memory.poll, self._rested)

    def _rested(self) -> None:
        self._resting = None
        if self._unsaid:
            self._wake()

    # -- answers from memory

    def positions(self) -> Known[Mapping[str, Position]] | None:
        """Give the positions if they are known to be the present ones."""
        memory, now = self.memory, self._now
        if not memory.positions_live(now):
            return None
        at = memory.positions_at
        if memory.followed("positions", now):
            at = max(at, memory.heard[True])
        return Known(value=dict(memory.positions), as_of=self._wall(at))

    def equity(self) -> Known[Equity] | None:
        """Give the equity if it is known to be the present one."""
        if not self.memory.equity_live(self._now) or self.memory.equity is None:
            return None
        return Known(value=self.memory.equity, as_of=self._wall(self.memory.equity_at))

    def prices(self, wanted: Mapping[str, str]) -> Known[Mapping[str, Decimal]] | None:
        """Give prices if all are pushed; ``wanted``: engine symbol to ccxt's. From now on they are followed."""
        self._wanted.update(wanted)
        if not self.memory.prices_live(list(wanted), self._now):
            return None
        value = {symbol: self.memory.prices[symbol] for symbol in wanted}
        return Known(value=value, as_of=self._wall(self.memory.heard[False]))

    @property
    def _now(self) -> float:
        return self._clock.monotonic()

    def _wall(self, at: float) -> datetime:
        return self._clock.now() - timedelta(seconds=max(self._now - at, 0.0))

    # -- what the account does itself

    def answered(self, symbol: str, client_order_id: str, *, final: bool) -> None:
        """Note what became of an order of ours."""
        self.memory.answered(client_order_id, symbol, self._now, final=final)

    # -- what the client hears

    def message(self, url: str, message: Any) -> bool:
        """Take a raw message. What the venue parsed needs no parsing by ccxt: half the cost of a burst of pushes."""
        try:
            if isinstance(message, Mapping) and (confirmed := self._venue.confirmation(message)):
                self._venue.confirmed(url).add(confirmed)
            for private in self._venue.streams_at(url):
                self.memory.heard[private] = self._now
            pushed = self._venue.pushed(message) if isinstance(message, Mapping) else ()
            self._raw = pushed is not None
            for kind, found in pushed or ():
                self._take(kind, found)
        except NONSENSE as error:
            self._puzzled(error)
            self.lose(url)
            return False
        if self._puzzled_at is not None and self._now - self._puzzled_at > DISTRUST:
            self._puzzled_at = None
            self._log.info("pushes are understood again")
        return bool(pushed)

    def _puzzled(self, error: Exception) -> None:
        """Tell of a push that makes no sense: once, as there may be hundreds a second."""
        if self._puzzled_at is None:
            self._log.warning("a push could not be understood ({}): reading instead", type(error).__name__)
        self._puzzled_at = self._now

    def resolved(self, message_hash: str, result: Any) -> None:
        """Take what ccxt made of a message, unless the venue parsed it itself."""
        kind = None if self._raw else self._venue.kind_resolved(message_hash)
        if kind is not None:
            self._take(kind, result)

    def lose(self, url: str) -> None:
        """Note that a connection broke."""
        for private in self._venue.streams_at(url):
            self.memory.lost(private=private, now=self._now)

    def _take(self, kind: str, found: Any) -> None:
        """Take ccxt's structures of a kind: one, several, or by symbol."""
        rows = [found] if isinstance(found, Mapping) else found
        if kind == "positions":
            self._take_positions(rows)
        elif kind == "orders":
            self._take_orders(rows)
        elif kind == "balance" and isinstance(found, Mapping):
            equity = self._venue.pushed_equity(found)
            if equity is not None:
                self.memory.equity_pushed(equity, self._now)
        elif kind == "tickers":
            rows = list(found.values()) if isinstance(found, Mapping) and "symbol" not in found else rows
            self._take_tickers(rows)

    def _take_positions(self, rows: Sequence[Row]) -> None:
        symbols, pushed = self._symbols(), []
        if any(self._venue.hedged(row) for row in rows):
            self._doubt()
            return
        for row in rows:
            symbol = symbols.engine(row.get("symbol"))
            market = symbols.market(symbol) if symbol else None
            if symbol and market:
                pushed.append(self._venue.position(symbol, row, market))
        if self.memory.positions_pushed(pushed, self._now):
            self._wake()

    def _take_orders(self, rows: Sequence[Row]) -> None:
        foreign = False
        for row in rows:
            if not self._is_news(row):
                continue
            over = STATUSES.get(str(row.get("status")), OrderStatus.OPEN) is not OrderStatus.OPEN
            if over or number(row.get("filled")):
                symbol = self._symbols().engine(row.get("symbol"))
                name = self._venue.client_order_id(row) if over else None
                foreign |= self.memory.order_pushed(name, symbol, self._now)
        if foreign:
            self._wake()

    def _is_news(self, row: Row) -> bool:
        """Tell orders that changed from those that ccxt repeats out of its cache."""
        if len(self._orders) > 5000:
            self._orders.clear()
        name, state = str(row.get("id")), (row.get("status"), row.get("filled"))
        known = self._orders.get(name) == state
        self._orders[name] = state
        return not known

    def _take_tickers(self, rows: Sequence[Row]) -> None:
        for row in rows:
            symbol, price = self._symbols().engine(row.get("symbol")), self._venue.price(row)
            if symbol and price is not None and price > ZERO:
                self.memory.prices[symbol] = price

    # -- following

    async def _follow(self, kind: str) -> None:
        """Keep one kind followed; whatever ends it is tried again after a pause, and told once."""
        pause = FIRST_PAUSE
        while True:
            began = self._now
            try:
                await self._run(kind)
            except (BaseError(), TimeoutError, OSError, *NONSENSE, TradeEngineError) as error:
                if kind not in self._troubled:
                    self._troubled.add(kind)
                    reason = str(error).split("?", 1)[0][:200] or type(error).__name__
                    self._log.warning("stream of {}: {}; reading instead until it is back", kind, reason)
            feed = self.memory.feeds[kind]
            self._venue.stream_broke(private=feed.private)
            feed.up = None
            if kind == "tickers":
                self.memory.prices.clear()
            pause = FIRST_PAUSE if self._now - began > LAST_PAUSE else min(pause * 2, LAST_PAUSE)
            await asyncio.sleep(pause)

    async def _run(self, kind: str) -> None:
        """Follow until something breaks. Pushes arrive through ``take``; awaiting ccxt shows errors only."""
        feed, asked = self.memory.feeds[kind], dict(self._wanted)
        while kind == "tickers" and not asked:
            await asyncio.sleep(TICK)
            asked = dict(self._wanted)
        feed.started = self._now
        while True:
            task = asyncio.ensure_future(self._watch(kind, list(asked.values())))
            try:
                while not (await asyncio.wait({task}, timeout=TICK))[0]:
                    self._look(kind, feed)
                    if kind == "tickers" and asked != self._wanted:
                        asked = dict(self._wanted)
                        break
                else:
                    task.result()
                    self._look(kind, feed)
                    await asyncio.sleep(TICK)  # what comes meanwhile is taken all the same
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

    def _look(self, kind: str, feed: Feed) -> None:
        """Count a feed as up once something was heard and no refusal came; end one that is silent.

        What was heard may be of the other feeds of a connection, so that positions, which orders follow from, need a
        push of their own where the venue cannot tell whether they were subscribed; until then they are polled.
        """
        now, heard = self._now, self.memory.heard[feed.private]
        if feed.up is None and self._venue.dialling():
            feed.started = now
        sure = kind != "positions" or self._venue.confirms or self.memory.pushed_at > feed.started
        if feed.up is None and sure and heard > feed.started and now >= feed.started + GRACE:
            feed.up = now
        if kind in self._troubled and feed.up is not None and now >= feed.up + LAST_PAUSE:
            self._troubled.discard(kind)  # not at once: it may be made and closed again for hours
            self._log.info("stream of {} is back", kind)
        if now - max(heard, feed.started) > SILENCE:
            self._venue.hang_up(private=feed.private)
            raise TimeoutError(f"silent for {SILENCE:g} s")

    async def _keep_baseline(self) -> None:
        """Read again in the background whenever memory no longer tells the present; ever less often in vain."""
        pause = TICK / 2
        while True:
            await asyncio.sleep(pause)
            kinds = self.memory.wants_read(self._now)
            try:
                if kinds:
                    await self._reread(kinds)
            except TradeEngineError as error:
                self._log.debug("baseline: {}", error)
                if isinstance(error, AuthError | ConfigError):
                    self._doubt()
                pause = min(max(2 * pause, BASELINE_PAUSE), LAST_PAUSE)
            else:
                vain = kinds and self.memory.wants_read(self._now)
                pause = min(2 * pause, self.memory.poll) if vain else TICK / 2

    def _doubt(self) -> None:
        """Have the engine read: what is wrong with the account is raised there, which stops it."""
        self.memory.doubt(self._now)
        self._wake()

    def missed(self) -> None:
        """Note that a read showed a change that the stream had not: it is not trusted for a while."""
        self.memory.distrusted_until = self._now + DISTRUST
        self._log.warning(
            "the stream of positions missed a change: positions are read for {:g} min", DISTRUST / 60
        )
        self._wake()
