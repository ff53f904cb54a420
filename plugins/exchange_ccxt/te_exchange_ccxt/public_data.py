"""Public data of any exchange that ccxt supports, without a key: instruments, quotes, funding, maintenance tiers.

For accounts that trade elsewhere, such as paper accounts. No request is signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from te_core.api import (
    AccountContext,
    AccountStream,
    ConfigError,
    Equity,
    Feed,
    FundingRate,
    Instrument,
    Position,
)
from te_exchange_ccxt.adapter.generic import GenericAdapter, GenericOptions
from te_exchange_ccxt.client.connection import Connection
from te_exchange_ccxt.client.funding_rates import announced_funding, funding_rate
from te_exchange_ccxt.parsing import ZERO, Row, number
from te_exchange_ccxt.streams.account_streams import AccountStreams

PAGE, MAX_PAGES = timedelta(hours=96), 10
"""Span of one read of past funding rates (fewer rows than any exchange returns at once), and the most reads."""
TIERS_IN_CONTRACTS = frozenset({"okx", "mexc"})
"""Exchanges whose tiers ccxt returns in contracts, though it names the quote coin."""
TIERS_WITH_KEY = frozenset({"binance", "bingx"})
"""Exchanges that show their tiers to accounts only."""
TIERS_PER_LEVERAGE = frozenset({"htx"})
"""Exchanges with a table for each leverage, which ccxt mixes up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Quote of a symbol, in quote currency."""

    price: Decimal
    """Mark price if the exchange states it, else the last price."""
    bid: Decimal | None
    ask: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskTier:
    """Share of a position's value that must be kept as margin above ``floor``, which is in quote currency."""

    floor: Decimal
    rate: Decimal


class PublicDataAdapter(GenericAdapter):
    """An exchange that is only read. Prices are valid even where orders cannot be sent."""

    def refusal(self) -> str:
        """Refuse nothing: no order is sent."""
        return ""

    async def check(self) -> None:
        """Raise ``ConfigError`` if the exchange does not quote prices."""
        if not self.exchange.has.get("fetchTickers"):
            raise ConfigError(f"ccxt cannot read prices at {self.exchange_id}", key="exchange")

    def followed(self) -> frozenset[str]:
        """Return "tickers" if ccxt can follow them."""
        return super().followed() & {"tickers"}

    def quote(self, ticker: Row) -> Quote | None:
        """Parse a ccxt ticker; None if it has no price."""
        price = self.price(ticker)
        if price is None or price <= ZERO:
            return None
        bid, ask = number(ticker.get("bid")), number(ticker.get("ask"))
        return Quote(price=price, bid=bid if bid else None, ask=ask if ask else None)


class PublicData:
    """Public data of one exchange while it is open.

    Symbols are the engine's; those that the exchange does not list are omitted. Methods raise the errors of
    ``ExchangeAccount``.
    """

    def __init__(self, context: AccountContext[Any], options: GenericOptions) -> None:
        self._context = replace(context, options=options)
        self._options = options
        self._adapter = PublicDataAdapter(options)
        self._connection = Connection(self._context, self._adapter)
        self._followed: dict[str, str] = {}

    async def open(self) -> None:
        """Connect and load the markets. Raises ``ConfigError`` for an exchange that ccxt does not support."""
        await self._connection.open()

    async def close(self) -> None:
        """Close all connections."""
        await self._connection.close()

    def offers(self) -> Mapping[str, bool]:
        """Return which of "pushed prices", "funding rates", "past funding rates" and "margin tiers" are public
        there."""
        has = self._connection.exchange.has
        return {
            "pushed prices": "tickers" in self._adapter.followed() and self._options.streams,
            "funding rates": bool(has.get("fetchFundingRates") or has.get("fetchFundingRate")),
            "past funding rates": bool(has.get("fetchFundingRateHistory")),
            "margin tiers": self._has_tiers,
        }

    @property
    def _has_tiers(self) -> bool:
        exchange = self._connection.exchange
        names = ("fetchLeverageTiers", "fetchMarketLeverageTiers")
        return exchange.id not in TIERS_WITH_KEY | TIERS_PER_LEVERAGE and any(
            exchange.has.get(name) is True for name in names
        )

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Return the trading rules of those symbols that can be traded there."""
        await self._connection.symbols()
        found = {}
        for symbol, market in self._markets(symbols).items():
            if not self._adapter.tradable(market):
                continue
            try:
                found[symbol] = self._adapter.instrument(symbol, market)
            except ValueError as error:  # one malformed row must not hide the others
                self._context.log.warning("{}", error)
        return found

    async def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Read the quotes of those symbols with one request."""
        names = self._names(symbols)
        if not names:
            return {}
        tickers = await self._connection.call("prices", lambda: self._adapter.fetch_tickers(list(names)))
        quotes = {names[name]: self._adapter.quote(row) for name, row in tickers.items() if name in names}
        return {symbol: quote for symbol, quote in quotes.items() if quote is not None}

    async def funding(self, symbols: Sequence[str]) -> Mapping[str, FundingRate]:
        """Read the announced rate of the next funding of those symbols that have one."""
        return await announced_funding(self._connection, self._names(symbols)) or {}

    async def past_funding(self, symbol: str, since: datetime) -> Sequence[FundingRate] | None:
        """Read the rates paid after ``since``, oldest first; None if the exchange has no history."""
        exchange = self._connection.exchange
        if not exchange.has.get("fetchFundingRateHistory") or not self._names([symbol]):
            return None
        found: dict[datetime, FundingRate] = {}
        (name,), begin, now = self._names([symbol]), since, self._context.clock.now()
        for _ in range(MAX_PAGES):
            end = min(begin + PAGE, now)
            window = {"until": int(end.timestamp() * 1000)}
            request = partial(
                exchange.fetch_funding_rate_history, name, int(begin.timestamp() * 1000), None, window
            )
            rates = [
                funding_rate(row, "timestamp")
                for row in await self._connection.call("past funding rates", request)
            ]
            found |= {rate.at: rate for rate in rates if rate is not None and rate.at > since}
            if end >= now:
                break
            begin = end
        return [found[at] for at in sorted(found)]

    async def tiers(self, symbol: str) -> Sequence[RiskTier]:
        """Read the maintenance margin tiers of a symbol; empty if they are not public."""
        exchange, name = self._connection.exchange, next(iter(self._names([symbol])), None)
        if name is None or not self._has_tiers:
            return ()
        if exchange.has.get("fetchMarketLeverageTiers") is True:
            rows = await self._connection.call("tiers", partial(exchange.fetch_market_leverage_tiers, name))
        else:
            rows = (await self._connection.call("tiers", partial(exchange.fetch_leverage_tiers, [name]))).get(
                name, ()
            )
        return _tiers(rows, await self._tier_unit(symbol))

    async def _tier_unit(self, symbol: str) -> Decimal:
        """Return the present value of one unit of a tier's bounds."""
        if self._adapter.exchange_id not in TIERS_IN_CONTRACTS:
            return Decimal(1)
        quote = (await self.quotes([symbol])).get(symbol)
        size = self._adapter.contract_size(self._markets([symbol])[symbol])
        return size * quote.price if quote else ZERO

    async def follow(self, symbols: Sequence[str], push: Callable[[str, Quote], None]) -> None:
        """Push quotes of those symbols until cancelled; ``want`` adds symbols. Waits where streams are off."""
        self.want(symbols)
        if not self._options.streams:
            await asyncio.Event().wait()
        streams = QuoteStreams(
            self._adapter,
            _NoAccount(),
            clock=self._context.clock,
            outages=self._context.outages,
            symbols=lambda: self._connection.listed,
            is_listed=self._connection.is_listed,
            wanted=self._followed,
        )
        streams.push = push
        async with self._connection.listening(streams):
            await streams.run()

    def want(self, symbols: Sequence[str]) -> None:
        """Follow these symbols, too."""
        self._followed |= {symbol: name for name, symbol in self._names(symbols).items()}

    def _markets(self, symbols: Sequence[str]) -> dict[str, Row]:
        found = {symbol: self._connection.listed.market(symbol) for symbol in symbols}
        return {symbol: market for symbol, market in found.items() if market is not None}

    def _names(self, symbols: Sequence[str]) -> dict[str, str]:
        """Return the engine symbols by ccxt symbol."""
        return {str(market["symbol"]): symbol for symbol, market in self._markets(symbols).items()}


class QuoteStreams(AccountStreams):
    """The ticker stream, with bid and ask."""

    push: Callable[[str, Quote], None]

    def _tickers(self, rows: Sequence[Row]) -> None:
        for row in rows:
            symbol = self._symbols().engine(row.get("symbol"))
            quote = self._adapter.quote(row) if isinstance(self._adapter, PublicDataAdapter) else None
            if symbol and quote is not None:
                self.push(symbol, quote)


class _NoAccount(AccountStream):
    """Ignores an account's state: public data has none."""

    def up(self, *feeds: Feed) -> None: ...
    def alive(self, *feeds: Feed) -> None: ...
    def down(self, *feeds: Feed) -> None: ...
    def position(self, position: Position) -> None: ...
    def equity(self, equity: Equity) -> None: ...
    def price(self, symbol: str, price: Decimal) -> None: ...
    def order(self, client_order_id: str, symbol: str) -> None: ...
    def changed(self) -> None: ...


def _tiers(rows: Sequence[Row], unit: Decimal) -> Sequence[RiskTier]:
    """Parse ccxt's tiers. Empty if any of them lacks its rate: half a table is useless."""
    found = [
        RiskTier(floor=(number(row.get("minNotional")) or ZERO) * unit, rate=rate)
        for row in rows
        if (rate := number(row.get("maintenanceMarginRate"))) is not None
    ]
    return sorted(found, key=lambda tier: tier.floor) if unit and len(found) == len(rows) else ()
