"""Public data of any exchange that ccxt knows, without a key: instruments, quotes, funding, maintenance tiers.

For accounts that trade somewhere else, as on paper. Nothing here signs a request.
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
from te_exchange_ccxt.connection import Connection
from te_exchange_ccxt.funding import announced_funding, funding_rate
from te_exchange_ccxt.generic import GenericOptions, GenericVenue
from te_exchange_ccxt.live import AccountStreams
from te_exchange_ccxt.wire import ZERO, Row, number

PAGE, MOST_PAGES = timedelta(hours=96), 10
"""Past funding rates are read by so much time, which is fewer rows than any exchange gives at once, and so often."""
TIERS_IN_CONTRACTS = frozenset({"okx", "mexc"})
"""Exchanges whose tiers ccxt hands on in contracts, though it names the quote coin."""
TIERS_WITH_KEY = frozenset({"binance", "bingx"})
"""Exchanges that tell their tiers to accounts only."""
TIERS_PER_LEVERAGE = frozenset({"htx"})
"""Exchanges with a table for each leverage, which ccxt mixes up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What a symbol is quoted at, in quote currency. ``price``: mark price where it is told, else the last one."""

    price: Decimal
    bid: Decimal | None
    ask: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskTier:
    """From which value on, in quote currency, which share of it has to be kept as margin."""

    floor: Decimal
    rate: Decimal


class PublicVenue(GenericVenue):
    """An exchange that is only looked at. Prices of one where no orders can be sent are prices all the same."""

    def refusal(self) -> str:
        """Refuse nothing: no order is sent."""
        return ""

    async def check(self) -> None:
        """Refuse exchanges that quote no prices. Raises ``ConfigError``."""
        if not self.exchange.has.get("fetchTickers"):
            raise ConfigError(f"ccxt reads no prices at {self.exchange_id}", key="exchange")

    def followed(self) -> frozenset[str]:
        """Return the prices, where ccxt can follow them."""
        return super().followed() & {"tickers"}

    def quote(self, ticker: Row) -> Quote | None:
        """Parse one of ccxt's tickers; None for one without a price."""
        price = self.price(ticker)
        if price is None or price <= ZERO:
            return None
        bid, ask = number(ticker.get("bid")), number(ticker.get("ask"))
        return Quote(price=price, bid=bid if bid else None, ask=ask if ask else None)


class PublicData:
    """One exchange's public data while it is open. Symbols are the engine's; those that it does not list are left out.

    Methods raise what ``ExchangeAccount``'s do.
    """

    def __init__(self, context: AccountContext[Any], options: GenericOptions) -> None:
        self._context = replace(context, options=options)
        self._options = options
        self._venue = PublicVenue(options)
        self._link = Connection(self._context, self._venue)
        self._followed: dict[str, str] = {}

    async def open(self) -> None:
        """Connect and load the markets. Raises ``ConfigError`` for an exchange that ccxt does not know."""
        await self._link.open()

    async def close(self) -> None:
        """Let go of all connections."""
        await self._link.close()

    def offers(self) -> Mapping[str, bool]:
        """Return which of "pushed prices", "funding rates", "past funding rates", "margin tiers" are public there."""
        has = self._link.exchange.has
        return {
            "pushed prices": "tickers" in self._venue.followed() and self._options.streams,
            "funding rates": bool(has.get("fetchFundingRates") or has.get("fetchFundingRate")),
            "past funding rates": bool(has.get("fetchFundingRateHistory")),
            "margin tiers": self._tells_tiers,
        }

    @property
    def _tells_tiers(self) -> bool:
        exchange = self._link.exchange
        names = ("fetchLeverageTiers", "fetchMarketLeverageTiers")
        return exchange.id not in TIERS_WITH_KEY | TIERS_PER_LEVERAGE and any(
            exchange.has.get(name) is True for name in names
        )

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Return the trading rules of those symbols that can be traded there."""
        await self._link.symbols()
        found = {}
        for symbol, market in self._markets(symbols).items():
            if not self._venue.tradable(market):
                continue
            try:
                found[symbol] = self._venue.instrument(symbol, market)
            except ValueError as error:  # one odd row must not hide the others
                self._context.log.warning("{}", error)
        return found

    async def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Read what those symbols are quoted at, in one request."""
        names = self._names(symbols)
        if not names:
            return {}
        tickers = await self._link.ask("prices", lambda: self._venue.fetch_tickers(list(names)))
        quotes = {names[name]: self._venue.quote(row) for name, row in tickers.items() if name in names}
        return {symbol: quote for symbol, quote in quotes.items() if quote is not None}

    async def funding(self, symbols: Sequence[str]) -> Mapping[str, FundingRate]:
        """Read the rate that is announced for the next funding, of those symbols that have one."""
        return await announced_funding(self._link, self._names(symbols)) or {}

    async def past_funding(self, symbol: str, since: datetime) -> Sequence[FundingRate] | None:
        """Read the rates that were paid after ``since``, oldest first; None where no history is offered."""
        exchange = self._link.exchange
        if not exchange.has.get("fetchFundingRateHistory") or not self._names([symbol]):
            return None
        found: dict[datetime, FundingRate] = {}
        (name,), begin, now = self._names([symbol]), since, self._context.clock.now()
        for _ in range(MOST_PAGES):
            end = min(begin + PAGE, now)
            window = {"until": int(end.timestamp() * 1000)}
            request = partial(
                exchange.fetch_funding_rate_history, name, int(begin.timestamp() * 1000), None, window
            )
            rates = [
                funding_rate(row, "timestamp") for row in await self._link.ask("past funding rates", request)
            ]
            found |= {rate.at: rate for rate in rates if rate is not None and rate.at > since}
            if end >= now:
                break
            begin = end
        return [found[at] for at in sorted(found)]

    async def tiers(self, symbol: str) -> Sequence[RiskTier]:
        """Read how much margin a position of which value has to keep; empty where that is not public."""
        exchange, name = self._link.exchange, next(iter(self._names([symbol])), None)
        if name is None or not self._tells_tiers:
            return ()
        if exchange.has.get("fetchMarketLeverageTiers") is True:
            rows = await self._link.ask("tiers", partial(exchange.fetch_market_leverage_tiers, name))
        else:
            rows = (await self._link.ask("tiers", partial(exchange.fetch_leverage_tiers, [name]))).get(
                name, ()
            )
        return _tiers(rows, await self._tier_unit(symbol))

    async def _tier_unit(self, symbol: str) -> Decimal:
        """Return what one unit of a tier's bounds is worth now."""
        if self._venue.exchange_id not in TIERS_IN_CONTRACTS:
            return Decimal(1)
        quote = (await self.quotes([symbol])).get(symbol)
        size = self._venue.contract_size(self._markets([symbol])[symbol])
        return size * quote.price if quote else ZERO

    async def follow(self, symbols: Sequence[str], push: Callable[[str, Quote], None]) -> None:
        """Pass on pushed quotes of those symbols, until cancelled; ``want`` adds to them. Where none are, wait."""
        self.want(symbols)
        if not self._options.streams:
            await asyncio.Event().wait()
        streams = QuoteStreams(
            self._venue,
            _Nobody(),
            clock=self._context.clock,
            outages=self._context.outages,
            symbols=lambda: self._link.listed,
            knows=self._link.knows,
            wanted=self._followed,
        )
        streams.push = push
        async with self._link.listening(streams):
            await streams.run()

    def want(self, symbols: Sequence[str]) -> None:
        """Follow these, too."""
        self._followed |= {symbol: name for name, symbol in self._names(symbols).items()}

    def _markets(self, symbols: Sequence[str]) -> dict[str, Row]:
        found = {symbol: self._link.listed.market(symbol) for symbol in symbols}
        return {symbol: market for symbol, market in found.items() if market is not None}

    def _names(self, symbols: Sequence[str]) -> dict[str, str]:
        """Return ccxt's symbols and the engine's."""
        return {str(market["symbol"]): symbol for symbol, market in self._markets(symbols).items()}


class QuoteStreams(AccountStreams):
    """The stream of tickers, with bid and ask."""

    push: Callable[[str, Quote], None]

    def _tickers(self, rows: Sequence[Row]) -> None:
        for row in rows:
            symbol = self._symbols().engine(row.get("symbol"))
            quote = self._venue.quote(row) if isinstance(self._venue, PublicVenue) else None
            if symbol and quote is not None:
                self.push(symbol, quote)


class _Nobody(AccountStream):
    """An account's own state, of which public data has none."""

    def up(self, *feeds: Feed) -> None: ...
    def alive(self, *feeds: Feed) -> None: ...
    def down(self, *feeds: Feed) -> None: ...
    def position(self, position: Position) -> None: ...
    def equity(self, equity: Equity) -> None: ...
    def price(self, symbol: str, price: Decimal) -> None: ...
    def order(self, client_order_id: str, symbol: str) -> None: ...
    def changed(self) -> None: ...


def _tiers(rows: Sequence[Row], unit: Decimal) -> Sequence[RiskTier]:
    """Parse ccxt's tiers. Empty when any of them lacks its rate: half a table is none."""
    found = [
        RiskTier(floor=(number(row.get("minNotional")) or ZERO) * unit, rate=rate)
        for row in rows
        if (rate := number(row.get("maintenanceMarginRate"))) is not None
    ]
    return sorted(found, key=lambda tier: tier.floor) if unit and len(found) == len(rows) else ()
