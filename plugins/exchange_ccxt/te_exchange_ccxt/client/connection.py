"""The connection of one account: its client, the state shared with other accounts, and error handling of requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from decimal import localcontext
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from te_core.api import AccountContext, ConfigError, NotReady, OrderRejected, TradeEngineError
from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter
from te_exchange_ccxt.budget import BudgetShare, Priority, priority
from te_exchange_ccxt.client.client_factory import (
    addresses,
    close_client,
    close_streams,
    create_client,
    host,
    offline_client,
)
from te_exchange_ccxt.client.error_classification import classify_error, pause_seconds, translate_error
from te_exchange_ccxt.client.exchange_state import ExchangeState, exchange_state, fingerprint
from te_exchange_ccxt.client.market_cache import Market
from te_exchange_ccxt.client.market_loader import load_markets
from te_exchange_ccxt.client.transport import MessageListener, dated_changes
from te_exchange_ccxt.errors import ErrorAction, ErrorKind
from te_exchange_ccxt.lazy_ccxt import BaseError, exchange_class
from te_exchange_ccxt.parsing import MALFORMED
from te_exchange_ccxt.responses import last_response
from te_exchange_ccxt.symbols import Symbols

T = TypeVar("T")

MARKETS_FILE = "markets.json"
IDLE_AFTER = 25.0
"""Seconds without a request after which a small one keeps the connection open."""
MAX_WARM_CONNECTIONS = 10
"""Most connections that are kept open per account."""
PEAK_WINDOW = 900.0
"""Seconds after which a burst counts as an earlier one, and twice as many after which it is forgotten.

Then fewer connections are kept open.
"""
SKEW_ADJUSTED, SKEW_REPORTED = 500.0, 2000.0
"""Milliseconds of clock skew above which requests are dated by the exchange's clock, and above which a warning is
logged."""


class Connection:
    """Opens, keeps open and closes the client; sends requests and translates their errors."""

    def __init__(self, context: AccountContext[Any], adapter: ExchangeAdapter) -> None:
        self._context = context
        self._adapter = adapter
        self._base: Any = None
        self._exchange: Any = None
        self._state: ExchangeState | None = None
        self._budget_share: BudgetShare | None = None
        self._listed: list[Market] = []
        self._symbols = Symbols((), "")
        self._applying: asyncio.Task[None] | None = None
        self._in_flight = 0
        self._warm_at = 0.0
        """When there last were as many requests at once as connections are kept open."""
        self._peak, self._earlier_peak, self._peak_since = 1, 1, float("-inf")
        """Most concurrent requests, without pings, in the current and the previous window."""
        self._keep_warm_task: asyncio.Task[None] | None = None
        self._skew_reported = False

    @property
    def exchange(self) -> Any:
        """The ccxt client. Raises ``NotReady`` while the account is not open."""
        if self._exchange is None:
            raise NotReady("the account is not open")
        return self._exchange

    async def open(self) -> None:
        """Connect, adjust to the exchange's clock, load the markets, and let the adapter check the account."""
        adapter = self._adapter
        self._base = await exchange_class(adapter.exchange_id)
        if reason := adapter.refusal():
            raise ConfigError(f"{adapter.exchange_id}: {reason}", key="exchange")
        self._exchange = create_client(adapter, self._base)
        self._exchange.date = self._context.date
        identity = "|".join((adapter.exchange_id, *sorted(addresses(self._exchange))))
        if proxy := adapter.options.proxy_identity:  # a proxy has its own address, with its own limits
            identity += f"|{fingerprint(proxy)}"
        self._state = exchange_state(identity, self._context.clock, self._context.log)
        owner = fingerprint(adapter.options.secret_of("api_key"))
        self._budget_share = self._exchange.budget_share = self._state.budget.share(
            adapter.options.granted(adapter.windows), owner
        )
        await self._adjust_clock()
        await self.symbols()
        await self.call("account check", adapter.check)
        self._keep_warm_task = asyncio.create_task(self._keep_warm())

    async def close(self) -> None:
        """Cancel background tasks and close the client."""
        tasks = [task for task in (self._keep_warm_task, self._applying) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await close_client(exchange)

    @property
    def host(self) -> str:
        """The host of the account's requests, with its port if it is not the default."""
        return host(self.exchange, self._adapter.private_api)

    def budgets(self) -> Mapping[str, float]:
        """Return the free share of each request limit; empty before it is open."""
        return {} if self._budget_share is None else self._budget_share.remaining()

    # -- streams

    @asynccontextmanager
    async def listening(self, listener: MessageListener) -> AsyncIterator[None]:
        """Send stream messages to ``listener`` within this block, and close the streams at its end."""
        exchange = self.exchange
        exchange.listener = listener
        try:
            yield
        finally:
            if exchange.listener is listener:
                exchange.listener = None
                await close_streams(exchange)

    # -- markets

    @cached_property
    def _markets_file(self) -> Path:
        return self._context.state_dir / MARKETS_FILE

    async def symbols(self) -> Symbols:
        """Return the symbols as last read. Nobody waits for a newer list while there is one."""
        exchange = self.exchange
        assert self._state is not None
        markets = await self._state.markets.get(self._fetch_markets, self._markets_file)
        if markets is not self._listed and not (self._applying and self._listed):
            self._applying = asyncio.create_task(self._apply(exchange, markets))
            self._applying.add_done_callback(self._on_applied)
            if not self._listed:
                await self._applying
        return self._symbols

    async def _apply(self, exchange: Any, markets: list[Market]) -> None:
        """Switch to a new list; building ccxt's tables takes a fifth of a second in a thread."""
        assert self._state is not None
        tables = await self._state.tables(markets, lambda: offline_client(copy(self._adapter), self._base))
        exchange.set_markets_from_exchange(tables)
        self._listed = markets
        self._symbols = Symbols(markets, self._adapter.options.settle)
        for name in sorted(self._symbols.ambiguous):
            self._context.log.warning("{} is ambiguous here (two markets) and cannot be traded", name)

    def _on_applied(self, task: asyncio.Task[None]) -> None:
        self._applying = None
        if not task.cancelled() and (error := task.exception()) and self._listed:
            self._context.log.error(
                "cannot use the new list of instruments; keeping the old one ({!r})", error
            )

    async def _fetch_markets(self) -> list[Market]:
        with priority(Priority.READ):  # also if an order rejected for its size triggered the read
            return await self.call("instruments", lambda: load_markets(self._adapter, self._base))

    @property
    def listed(self) -> Symbols:
        """The symbols as last read."""
        return self._symbols

    def renew_markets(self) -> None:
        """Read the markets again in the background."""
        if self._state is not None:
            self._state.markets.renew(self._fetch_markets)

    @property
    def renewing(self) -> bool:
        """Whether a newer list of markets is being read."""
        if self._state is None:
            return False
        return self._state.markets.loading or self._state.markets.markets is not self._listed

    def is_listed(self, ccxt_symbol: str) -> bool:
        """Return whether a market is in the list, whatever its settle coin."""
        return ccxt_symbol in self.exchange.markets

    # -- requests

    async def call(
        self,
        what: str,
        request: Callable[[], Awaitable[T]],
        *,
        sending: bool = False,
        setting: bool = False,
        absent: ErrorKind | None = None,
        ping: bool = False,
    ) -> T:
        """Send one request and translate its errors.

        ``sending``: it is an order. ``setting``: it changes a setting, so a rejection is final. ``absent``: the kind
        that means "does not exist" and returns None, like "unchanged". ``ping``: it only keeps a connection open.
        """
        _ = self.exchange
        last_response.set(None)
        try:
            with (
                localcontext(),
                self._counted(ping=ping),
                dated_changes(sending or setting),
            ):  # ccxt changes rounding and traps of the current decimal context
                return await request()
        except TradeEngineError:
            raise
        except (BaseError(), TimeoutError, OSError, *MALFORMED) as error:
            kind, code = classify_error(error, self._adapter)
            if kind is absent:
                return None  # type: ignore[return-value]  # only asked for where the answer may be None
            await self._react(kind, what)
            translated = translate_error(error, self._adapter, what=what, sending=sending)
            if translated is None:
                return None  # type: ignore[return-value]  # settings give nothing
            if setting and kind.action is ErrorAction.REJECT:
                raise OrderRejected(str(translated), code=code) from error
            raise translated from error

    @contextmanager
    def _counted(self, *, ping: bool) -> Iterator[None]:
        self._in_flight += 1
        if not ping:
            self._peak = max(self._peak, min(self._in_flight, MAX_WARM_CONNECTIONS))
        if self._in_flight >= self._warm_connections:
            self._warm_at = self._context.clock.monotonic()
        try:
            yield
        finally:
            self._in_flight -= 1

    @property
    def _warm_connections(self) -> int:
        """Number of connections to keep open: the most that were recently used at once. aiohttp closes the others."""
        return max(self._peak, self._earlier_peak)

    def _forget_peaks(self) -> None:
        now = self._context.clock.monotonic()
        if now - self._peak_since >= PEAK_WINDOW:
            self._earlier_peak, self._peak, self._peak_since = self._peak, 1, now

    async def _react(self, kind: ErrorKind, what: str) -> None:
        if kind.action is ErrorAction.BACK_OFF and self._budget_share is not None:
            self._budget_share.back_off(pause_seconds(kind, self._adapter), f"{what}: {kind.remedy}")
        elif kind is ErrorKind.SIZE:
            self.renew_markets()
        elif kind is ErrorKind.CLOCK:
            await self._adjust_clock()

    async def skew(self) -> float | None:
        """Measure by how many milliseconds our clock is ahead; None if that fails."""
        try:
            with localcontext():
                return await self._adapter.clock_skew()
        except (BaseError(), TimeoutError, OSError, *MALFORMED, TradeEngineError):
            return None

    async def _adjust_clock(self) -> None:
        """Date requests by the exchange's clock if ours is off. An error is left to the next request."""
        skew = await self.skew()
        if skew is None:
            return
        wrong = abs(skew) > SKEW_REPORTED
        if wrong and not self._skew_reported:
            self._context.log.warning("{}: {}", describe_skew(skew), ErrorKind.CLOCK.remedy)
        elif self._skew_reported and not wrong:
            self._context.log.info("this machine's clock is correct again")
        self._skew_reported = wrong
        self._adapter.adjust_clock(skew if abs(skew) > SKEW_ADJUSTED else 0.0)

    async def _keep_warm(self) -> None:
        """Ping on as many connections as were used at once, so that no order of a burst has to open one.

        A failed ping is only logged at DEBUG, since the next read reports the outage. A defect is logged once; pings
        go on.
        """
        reported = False
        while True:
            idle = self._context.clock.monotonic() - self._warm_at
            if idle < IDLE_AFTER:
                await asyncio.sleep(IDLE_AFTER - idle)
                continue
            self._forget_peaks()
            pings = (self.call("ping", self._adapter.ping, ping=True) for _ in range(self._warm_connections))
            for failed in await asyncio.gather(*pings, return_exceptions=True):
                if isinstance(failed, TradeEngineError):
                    self._context.log.debug("ping: {}", failed)
                elif failed is not None and not reported:
                    reported = True
                    self._context.log.warning("pings fail because of a defect: {!r}", failed)
            self._warm_at = self._context.clock.monotonic()


def describe_skew(skew: float) -> str:
    """Return the skew of our clock as text."""
    return f"this machine's clock is {abs(skew) / 1000:.1f} s {'ahead of' if skew > 0 else 'behind'} the exchange's"
