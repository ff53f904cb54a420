"""Live prices: public data of a real exchange, read and followed for a paper account.

No read raises into the account's own calls: an outage is reported, and the account goes on with prices stated by
signals.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from te_core.api import (
    AccountContext,
    ConfigError,
    Finding,
    FundingRate,
    Instrument,
    NotReady,
    RateLimited,
    Severity,
    TradeEngineError,
)
from te_exchange_paper.funding import rates_due
from te_exchange_paper.maintenance import Maintenance, Margins
from te_exchange_paper.market import LiveQuote
from te_exchange_paper.options import PaperOptions

if TYPE_CHECKING:
    from te_exchange_ccxt.public_data import PublicData, Quote

REVALUE_EVERY = 1.0
"""Seconds between two valuations of the positions, which liquidate them and report stale prices."""
POLL_EVERY = 5.0
"""Seconds after which a price is read that no stream pushed."""
FUNDING_EVERY = 60.0
TIERS_EVERY = 3600.0
AFTER_FUNDING = 2.0
"""Seconds after a funding time at which it is charged."""
OPEN_TIMEOUT = 15.0
"""Seconds for which opening the account waits for the exchange; later it is retried in the background."""
FIRST_PAUSE, LAST_PAUSE = 5.0, 60.0
REPORTED_GAP = timedelta(minutes=10)
"""Without a history of rates, a longer interruption is worth an event: a funding may have been missed."""
PRICES, FUNDING = "live prices", "funding"
"""Names of their outages."""


MakeData = Callable[[AccountContext[PaperOptions]], Awaitable["PublicData"]]
"""Connects to the exchange's public data."""


class FundedPositions(Protocol):
    """The account, as far as live data change it."""

    def mark(self) -> object:
        """Value the positions at current prices, and liquidate those without enough margin."""

    def funded_until(self) -> Mapping[str, datetime]:
        """Return until when funding is charged, for the symbols that are or were held since."""

    def charge_funding(self, symbol: str, rates: Sequence[FundingRate]) -> None:
        """Charge those rates on a symbol, and store that."""


class LiveMarket:
    """Quotes, trading rules, tiers and funding of one exchange, for the wanted symbols."""

    def __init__(
        self,
        context: AccountContext[PaperOptions],
        positions: FundedPositions,
        make: MakeData,
    ) -> None:
        self._context = context
        self._clock = context.clock
        self._exchange = context.options.prices_from or ""
        self._max_age = context.options.prices_max_age.total_seconds()
        self._positions = positions
        self._make = make
        self._data: PublicData | None = None
        self._reason = ""
        self._wanted: dict[str, float] = {}
        """Followed symbols, each with the monotonic time since when."""
        self._quotes: dict[str, tuple[LiveQuote, float]] = {}
        self._instruments: dict[str, Instrument] = {}
        self._unlisted: set[str] = set()
        self._announced: dict[str, FundingRate] = {}
        self._caught_up: dict[str, float] = {}
        """When the past fundings of a symbol were last read; cleared by an outage."""
        self._tiers_read: dict[str, float] = {}
        self._stale = False
        self._wanted_more = asyncio.Event()
        self._position_opened = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.margins = Margins(Maintenance.flat(context.options.maintenance_margin))
        """Maintenance margins; replaced by a new object whenever they change."""

    # -- life cycle

    async def open(self) -> None:
        """Connect, and follow from now on; an unreachable exchange is tried again.

        Raises ``ConfigError`` for an exchange that ccxt does not support, or if te-exchange-ccxt is not installed.
        """
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                await self._connect()
        except ConfigError as error:
            raise ConfigError(f"{error.reason} (prices_from)") from error
        except TimeoutError:
            self._reason = f"no answer within {OPEN_TIMEOUT:g} s"
        except TradeEngineError as error:
            self._reason = str(error)
        self._tasks = {asyncio.create_task(self._restarted(part)) for part in (self._run, self._watch)}

    async def close(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        data, self._data = self._data, None
        if data is not None:
            await data.close()

    async def _connect(self) -> None:
        data = await self._make(self._context)
        try:
            await data.open()
        except BaseException:
            await data.close()
            raise
        self._data, self._reason = data, ""

    async def _restarted(self, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a part forever. If a defect ends it, report that and start it again after a pause."""
        while True:
            task = asyncio.create_task(part())
            try:
                await asyncio.wait({task})
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            error = None if task.cancelled() else task.exception()
            self._reason = f"stopped because of a defect: {error!r}"
            self._context.log.opt(exception=error).error(
                "live prices of {} stopped because of a defect; restarting in {:g} s",
                self._exchange,
                LAST_PAUSE,
            )
            await asyncio.sleep(LAST_PAUSE)

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while self._data is None:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE)
            try:
                await self._connect()
            except TradeEngineError as error:
                self._reason = str(error)
        data = self._data
        data.want([*self._wanted])
        await self.instruments([*self._wanted])
        async with asyncio.TaskGroup() as parts:
            parts.create_task(data.follow([*self._wanted], self._push))
            parts.create_task(self._poll(data))
            parts.create_task(self._read_tiers(data))
            parts.create_task(self._fund(data))

    # -- for the account

    def seed(self, marks: Mapping[str, Decimal]) -> None:
        """Start with the last marks of the positions: prices that signals stated may be hours older."""
        now, at = self._clock.monotonic(), self._clock.now()
        self._quotes |= {
            symbol: (LiveQuote(price=mark, at=at, is_fresh=False), now) for symbol, mark in marks.items()
        }

    def quote(self, symbol: str) -> LiveQuote | None:
        """Return the last quote of a symbol; None if there is none."""
        quote, read_at = self._quotes.get(symbol, (None, 0.0))
        if quote is not None and self._clock.monotonic() - read_at > self._max_age:
            return replace(quote, is_fresh=False)
        return quote

    async def want(self, symbols: Sequence[str]) -> None:
        """Follow these symbols from now on; read new ones at once if possible."""
        new = [symbol for symbol in symbols if symbol not in self._wanted]
        if not new:
            return
        self._wanted.update(dict.fromkeys(new, self._clock.monotonic()))
        self._wanted_more.set()
        if self._data is not None:
            self._data.want(new)
            await self._read(self._data, new)

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument] | None:
        """Return the exchange's trading rules of the symbols that it trades; None while they are unknown."""
        await self.want(symbols)
        if self._data is not None:
            try:
                self._learn(await self._data.instruments(symbols), symbols)
            except TradeEngineError as error:
                self._reason = str(error)
        known = {symbol: self._instruments[symbol] for symbol in symbols if symbol in self._instruments}
        return known if known or self._data is not None else None

    def position_opened(self) -> None:
        """Wake the funding task, so that it reads the funding of a newly opened position."""
        self._position_opened.set()

    def findings(self) -> Sequence[Finding]:
        """Return the findings about the exchange, for ``te doctor``."""
        check = f"prices from {self._exchange}"
        if self._data is None:
            text = f"cannot be reached: {self._reason or 'not connected yet'}"
            remedy = "until it can, orders fill at the signals' prices"
            return [Finding(severity=Severity.WARNING, check=check, text=text, remedy=remedy)]
        offered = self._data.offers()
        missing = [name for name, there in offered.items() if not there]
        text = f"reached; {', '.join(name for name, there in offered.items() if there)}"
        if not missing:
            return [Finding(severity=Severity.OK, check=check, text=text)]
        remedy = "prices are polled every 5 s; funding and tiers are not modelled where they are missing"
        text += f"; without {', '.join(missing)}"
        return [Finding(severity=Severity.WARNING, check=check, text=text, remedy=remedy)]

    # -- prices

    def _push(self, symbol: str, quote: Quote) -> None:
        found = LiveQuote(price=quote.price, bid=quote.bid, ask=quote.ask, at=self._clock.now())
        self._quotes[symbol] = found, self._clock.monotonic()

    async def _read(self, data: PublicData, symbols: Sequence[str]) -> None:
        try:
            for symbol, quote in (await data.quotes(symbols)).items():
                self._push(symbol, quote)
            self._reason = ""
        except TradeEngineError as error:
            self._reason = str(error)

    async def _poll(self, data: PublicData) -> None:
        while True:
            old = [symbol for symbol in self._wanted if self._age(symbol) >= POLL_EVERY]
            if old:
                await self._read(data, old)
            await asyncio.sleep(POLL_EVERY)

    def _age(self, symbol: str) -> float:
        """Return the seconds without a price: since the last quote, else since it was wanted."""
        _, read_at = self._quotes.get(symbol, (None, self._wanted[symbol]))
        return self._clock.monotonic() - read_at

    def _learn(self, found: Mapping[str, Instrument], asked: Sequence[str]) -> None:
        self._instruments.update(found)
        missing = {symbol for symbol in asked if symbol not in found}
        for symbol in sorted(missing - self._unlisted):
            self._context.log.warning("{} is not traded at {}", symbol, self._exchange)
        self._unlisted = (self._unlisted | missing) - found.keys()

    async def _watch(self) -> None:
        """Value the positions and check the age of quotes. Outages are logged once at start and once at end."""
        while True:
            with suppress(TradeEngineError):  # the disk; the account's next read reports it
                self._positions.mark()
            stale = [s for s in self._wanted if s not in self._unlisted and self._age(s) > self._max_age]
            if stale and not self._stale:
                self._stale = True
                names = ", ".join(stale[:3]) + (f" and {len(stale) - 3} more" if len(stale) > 3 else "")
                why = self._reason or "no message received"
                text = f"{self._exchange}: no price of {names} for {self._max_age:g} s ({why}); using the signals'"
                self._context.outages.failing(PRICES, text)
            elif self._stale and not stale:
                self._stale = False
                self._reason = ""
                self._caught_up.clear()
                self._position_opened.set()
                self._context.outages.well(PRICES)
            await asyncio.sleep(REVALUE_EVERY)

    # -- tiers

    async def _read_tiers(self, data: PublicData) -> None:
        while True:
            self._wanted_more.clear()
            for symbol in [*self._wanted]:
                now = self._clock.monotonic()
                if now - self._tiers_read.get(symbol, -TIERS_EVERY) < TIERS_EVERY:
                    continue
                try:
                    stated = [(tier.floor, tier.rate) for tier in await data.tiers(symbol)]
                except (NotReady, RateLimited):
                    continue
                except TradeEngineError as error:
                    self._context.log.info("{}: no tiers of maintenance margin ({})", symbol, error)
                    stated = []
                self._tiers_read[symbol] = now
                self._adopt(symbol, stated)
            await _wait(self._wanted_more, FUNDING_EVERY)

    def _adopt(self, symbol: str, stated: list[tuple[Decimal, Decimal]]) -> None:
        if not stated:
            return
        try:
            tiers = Maintenance.tiered(stated)
        except ValueError as error:
            self._context.log.warning("{}: {}; using maintenance_margin", symbol, error)
            return
        if self.margins.by_symbol.get(symbol) != tiers:
            self.margins = Margins(self.margins.usual, {**self.margins.by_symbol, symbol: tiers})

    # -- funding

    async def _fund(self, data: PublicData) -> None:
        while True:
            self._position_opened.clear()
            try:
                await self._charge(data)
                self._context.outages.well(FUNDING)
            except TradeEngineError as error:
                self._context.outages.failing(FUNDING, f"{error}; charging it later")
            await _wait(self._position_opened, self._until_next())

    async def _charge(self, data: PublicData) -> None:
        """Charge the rates that are due, then read the next ones.

        An announced rate is replaced only once it was charged, so that a failing read loses none.
        """
        for symbol, until in self._positions.funded_until().items():
            announced, now = self._announced.get(symbol), self._clock.now()
            passed = announced is not None and announced.at <= now
            if not passed and not self._is_behind(symbol):
                continue
            past = await data.past_funding(symbol, until)
            if past is None and symbol not in self._caught_up and now - until > REPORTED_GAP:
                since = f"what fell due since {until:%Y-%m-%d %H:%M} UTC was not charged"
                text = f"{symbol}: {self._exchange} has no past funding rates; {since}"
                self._context.record("funding", text, symbol=symbol)
            known = announced if passed else None
            self._positions.charge_funding(
                symbol, rates_due(until, past=past or (), announced=known, now=now)
            )
            self._caught_up[symbol] = self._clock.monotonic()
        if following := [*self._positions.funded_until()]:
            self._announced.update(await data.funding(following))

    def _is_behind(self, symbol: str) -> bool:
        """Return whether past fundings must be read: at first, after an outage, and hourly where none are announced."""
        read_at = self._caught_up.get(symbol)
        if read_at is None:
            return True
        return symbol not in self._announced and self._clock.monotonic() - read_at > TIERS_EVERY

    def _until_next(self) -> float:
        now = self._clock.now()
        waits = [(rate.at - now).total_seconds() + AFTER_FUNDING for rate in self._announced.values()]
        return min([FUNDING_EVERY, *(wait for wait in waits if wait > 0)])


async def public_data(context: AccountContext[PaperOptions]) -> PublicData:
    """Create the connection to the exchange that the options name. Raises ``ConfigError`` if that is impossible."""
    try:  # in a thread: it takes a third of a second, and only accounts with live prices need it
        await asyncio.to_thread(import_module, "te_exchange_ccxt.public_data")
        from te_exchange_ccxt.adapter.generic import GenericOptions
        from te_exchange_ccxt.public_data import PublicData
    except ImportError as error:
        raise ConfigError(
            "prices_from needs the package te-exchange-ccxt: install it, or remove prices_from",
            key="prices_from",
        ) from error
    options = context.options
    try:
        there = GenericOptions(
            exchange=options.prices_from or "",
            settle=options.settle,
            streams=options.prices_streams,
            url=options.prices_url,
            ws_url=options.prices_ws_url,
            proxy=options.prices_proxy,
            allow_other_hosts=True,  # nothing is signed
        )
    except ValidationError as error:  # its own text would contain the proxy's password
        found = "; ".join(f"prices_{one['loc'][0]}: {one['msg']}" for one in error.errors() if one["loc"])
        raise ConfigError(f"prices_from: {found}", key="prices_from") from None
    return PublicData(context, there)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, for at most that many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
