"""The connection of one account: the client, what it shares with others, and how each request is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from decimal import localcontext
from typing import Any, TypeVar

from te_core.api import AccountContext, ConfigError, NotReady, OrderRejected, TradeEngineError
from te_exchange_ccxt.aside import fetch_markets
from te_exchange_ccxt.budget import Priority, Purse, priority
from te_exchange_ccxt.client import (
    Ear,
    addresses,
    bare,
    changing,
    connect,
    disconnect,
    disconnect_streams,
    host,
    last_answer,
)
from te_exchange_ccxt.errors import diagnose, pause, translate
from te_exchange_ccxt.library import BaseError, exchange_class
from te_exchange_ccxt.markets import Market
from te_exchange_ccxt.shared import Shared, fingerprint, shared
from te_exchange_ccxt.symbols import Symbols
from te_exchange_ccxt.trouble import Fate, Trouble
from te_exchange_ccxt.venue import Venue
from te_exchange_ccxt.wire import NONSENSE

T = TypeVar("T")

MARKETS_FILE = "markets.json"
IDLE = 25.0
"""Seconds without a request after which a connection is kept alive by a small one."""
WIDEST = 10
"""Connections that are kept alive at most, for each account."""
FORGOTTEN = 900.0
"""Seconds after which a burst is an earlier one, and after twice as many forgotten: then fewer connections are kept."""
SKEW_ADJUSTED, SKEW_TOLD = 500.0, 2000.0
"""Milliseconds of clock skew above which requests are dated on the exchange's clock, and the operator is told."""


class Connection:
    """Opens, keeps warm and closes; asks, and translates what goes wrong."""

    def __init__(self, context: AccountContext[Any], venue: Venue) -> None:
        self._context = context
        self._venue = venue
        self._base: Any = None
        self._exchange: Any = None
        self._shared: Shared | None = None
        self._purse: Purse | None = None
        self._listed: list[Market] = []
        self._symbols = Symbols((), "")
        self._adopting: asyncio.Task[None] | None = None
        self._under_way = 0
        self._wide_at = 0.0
        """When there last were as many requests at the same time as connections are kept alive."""
        self._peak, self._earlier_peak, self._peak_since = 1, 1, float("-inf")
        """Most requests at the same time, pings aside, in this stretch of time and in the one before."""
        self._warmth: asyncio.Task[None] | None = None
        self._skew_told = False

    @property
    def exchange(self) -> Any:
        """The ccxt client. Raises ``NotReady`` while the account is not open."""
        if self._exchange is None:
            raise NotReady("the account is not open")
        return self._exchange

    async def open(self) -> None:
        """Connect; adjust to the exchange's clock; load the markets; let the venue check the account."""
        venue = self._venue
        self._base = await exchange_class(venue.exchange_id)
        if reason := venue.refusal():
            raise ConfigError(f"{venue.exchange_id}: {reason}", key="exchange")
        self._exchange = connect(venue, self._base)
        self._exchange.date = self._context.date
        identity = "|".join((venue.exchange_id, *sorted(addresses(self._exchange))))
        if proxy := venue.options.proxy_identity:  # it has an address of its own, with limits of its own
            identity += f"|{fingerprint(proxy)}"
        self._shared = shared(identity, self._context.clock, self._context.log)
        owner = fingerprint(venue.options.secret_of("api_key"))
        self._purse = self._exchange.purse = self._shared.budget.share(
            venue.options.granted(venue.windows), owner
        )
        await self._adjust_clock()
        await self.symbols()
        await self.ask("checking the account", venue.check)
        self._warmth = asyncio.create_task(self._keep_warm())

    async def close(self) -> None:
        """Let go of everything."""
        tasks = [task for task in (self._warmth, self._adopting) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await disconnect(exchange)

    @property
    def host(self) -> str:
        """The server that the account's own requests go to, with its port where it is not the usual one."""
        return host(self.exchange, self._venue.private_api)

    def budgets(self) -> Mapping[str, float]:
        """Give by window the share of the request limits that is left; nothing before it is open."""
        return {} if self._purse is None else self._purse.left()

    # -- streams

    @asynccontextmanager
    async def listening(self, ear: Ear) -> AsyncIterator[None]:
        """Let ``ear`` hear the streams that are opened within this block, and close them at its end."""
        exchange = self.exchange
        exchange.ear = ear
        try:
            yield
        finally:
            if exchange.ear is ear:
                exchange.ear = None
                await disconnect_streams(exchange)

    # -- markets

    async def symbols(self) -> Symbols:
        """Return the symbols as last read. Nobody waits for a newer list while there is one."""
        exchange = self.exchange
        assert self._shared is not None
        file = self._context.state_dir / MARKETS_FILE
        markets = await self._shared.markets.get(self._fetch_markets, file)
        if markets is not self._listed and not (self._adopting and self._listed):
            self._adopting = asyncio.create_task(self._adopt(exchange, markets))
            self._adopting.add_done_callback(self._adopted)
            if not self._listed:
                await self._adopting
        return self._symbols

    async def _adopt(self, exchange: Any, markets: list[Market]) -> None:
        """Take over a list that was read; making ccxt's tables of it takes a fifth of a second in a thread."""
        assert self._shared is not None
        tables = await self._shared.tables(markets, lambda: bare(copy(self._venue), self._base))
        exchange.set_markets_from_exchange(tables)
        self._listed = markets
        self._symbols = Symbols(markets, self._venue.options.settle)
        for name in sorted(self._symbols.ambiguous):
            self._context.log.warning("{} is ambiguous here (two markets) and cannot be traded", name)

    def _adopted(self, task: asyncio.Task[None]) -> None:
        self._adopting = None
        if not task.cancelled() and (error := task.exception()) and self._listed:
            self._context.log.error(
                "cannot use the new list of instruments; keeping the old one: {!r}", error
            )

    async def _fetch_markets(self) -> list[Market]:
        with priority(Priority.READ):  # also when an order that was refused for its size has it read
            return await self.ask("instruments", lambda: fetch_markets(self._venue, self._base))

    @property
    def listed(self) -> Symbols:
        """The symbols as last read."""
        return self._symbols

    def renew_markets(self) -> None:
        """Have the markets read again in the background."""
        if self._shared is not None:
            self._shared.markets.renew(self._fetch_markets)

    @property
    def renewing(self) -> bool:
        """Whether a newer list of markets is on its way."""
        if self._shared is None:
            return False
        return self._shared.markets.loading or self._shared.markets.markets is not self._listed

    def knows(self, ccxt_symbol: str) -> bool:
        """Return whether a market is in the list, whatever coin it pays in."""
        return ccxt_symbol in self.exchange.markets

    # -- asking

    async def ask(
        self,
        what: str,
        request: Callable[[], Awaitable[T]],
        *,
        sending: bool = False,
        setting: bool = False,
        absent: Trouble | None = None,
        ping: bool = False,
    ) -> T:
        """Make one request and translate what goes wrong.

        ``sending``: it is an order; ``setting``: it changes a setting, so a refusal is final; ``absent``: the
        trouble that means "there is none" and gives None, as "unchanged" does; ``ping``: it only keeps a connection.
        """
        _ = self.exchange
        last_answer.set(None)
        try:
            with (
                localcontext(),
                self._counted(ping=ping),
                changing(sending or setting),
            ):  # ccxt changes rounding and traps of the context that it finds
                return await request()
        except TradeEngineError:
            raise
        except (BaseError(), TimeoutError, OSError, *NONSENSE) as error:
            trouble, code = diagnose(error, self._venue)
            if trouble is absent:
                return None  # type: ignore[return-value]  # only asked for where the answer may be None
            await self._react(trouble, what)
            translated = translate(error, self._venue, what=what, sending=sending)
            if translated is None:
                return None  # type: ignore[return-value]  # settings give nothing
            if setting and trouble.fate is Fate.REFUSED:
                raise OrderRejected(str(translated), code=code) from error
            raise translated from error

    @contextmanager
    def _counted(self, *, ping: bool) -> Iterator[None]:
        self._under_way += 1
        if not ping:
            self._peak = max(self._peak, min(self._under_way, WIDEST))
        if self._under_way >= self._width:
            self._wide_at = self._context.clock.monotonic()
        try:
            yield
        finally:
            self._under_way -= 1

    @property
    def _width(self) -> int:
        """Connections to keep alive: as many as were lately needed at once. aiohttp closes the others in time."""
        return max(self._peak, self._earlier_peak)

    def _forget_peaks(self) -> None:
        now = self._context.clock.monotonic()
        if now - self._peak_since >= FORGOTTEN:
            self._earlier_peak, self._peak, self._peak_since = self._peak, 1, now

    async def _react(self, trouble: Trouble, what: str) -> None:
        if trouble.fate is Fate.SLOWER and self._purse is not None:
            self._purse.back_off(pause(trouble, self._venue), f"{what}: {trouble.remedy}")
        elif trouble is Trouble.SIZE:
            self.renew_markets()
        elif trouble is Trouble.CLOCK:
            await self._adjust_clock()

    async def skew(self) -> float | None:
        """Measure by how many milliseconds our clock is ahead; None where that cannot be known."""
        try:
            with localcontext():
                return await self._venue.clock_skew()
        except (BaseError(), TimeoutError, OSError, *NONSENSE, TradeEngineError):
            return None

    async def _adjust_clock(self) -> None:
        """Date requests on the exchange's clock where ours is off. A failure is left to the next request."""
        skew = await self.skew()
        if skew is None:
            return
        wrong = abs(skew) > SKEW_TOLD
        if wrong and not self._skew_told:
            self._context.log.warning("{}: {}", tell_skew(skew), Trouble.CLOCK.remedy)
        elif self._skew_told and not wrong:
            self._context.log.info("this machine's clock is right again")
        self._skew_told = wrong
        self._venue.adjust_clock(skew if abs(skew) > SKEW_ADJUSTED else 0.0)

    async def _keep_warm(self) -> None:
        """Ping over as many connections as were needed at once, so that no order of a burst pays for a new one.

        A failing ping is the next read's news; a defect is told once, and the next ping is tried all the same.
        """
        told = False
        while True:
            idle = self._context.clock.monotonic() - self._wide_at
            if idle < IDLE:
                await asyncio.sleep(IDLE - idle)
                continue
            self._forget_peaks()
            pings = (self.ask("ping", self._venue.ping, ping=True) for _ in range(self._width))
            for failed in await asyncio.gather(*pings, return_exceptions=True):
                if isinstance(failed, TradeEngineError):
                    self._context.log.debug("ping: {}", failed)
                elif failed is not None and not told:
                    told = True
                    self._context.log.warning("pings fail by a defect: {!r}", failed)
            self._wide_at = self._context.clock.monotonic()


def tell_skew(skew: float) -> str:
    """Say how our clock stands."""
    return f"this machine's clock is {abs(skew) / 1000:.1f} s {'ahead of' if skew > 0 else 'behind'} the exchange's"
