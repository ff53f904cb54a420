"""An account at an exchange, as the engine sees it, over ccxt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from te_core.api import (
    AccountContext,
    AccountIdentity,
    AccountStream,
    CashFlow,
    Equity,
    ExchangeAccount,
    Finding,
    FundingRate,
    Instrument,
    Known,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    Position,
    RestingStop,
    Severity,
    StopRequest,
    TradeEngineError,
    TradingTerms,
)
from te_exchange_ccxt.budget import Priority, priority
from te_exchange_ccxt.connection import SKEW_ADJUSTED, Connection, tell_skew
from te_exchange_ccxt.funding import announced_funding
from te_exchange_ccxt.live import AccountStreams
from te_exchange_ccxt.symbols import Symbols
from te_exchange_ccxt.trouble import Trouble
from te_exchange_ccxt.venue import Venue
from te_exchange_ccxt.wire import ZERO, Row, number

CHECKED_AT_ONCE = 25
"""Symbols whose own settings are checked together: what was checked when a read times out is not asked for again."""


def account_factory(venue: Callable[[Any], Venue]) -> Callable[[AccountContext[Any]], CcxtAccount]:
    """Give what an ``ExchangeSpec`` needs: makes accounts that speak through that kind of venue."""
    return lambda context: CcxtAccount(context, venue(context.options))


class CcxtAccount(ExchangeAccount):
    """One account through ccxt. What exchanges do differently is the venue's. Reads always ask the exchange."""

    def __init__(self, context: AccountContext[Any], venue: Venue) -> None:
        self._context = context
        self._venue = venue
        self._link = Connection(context, venue)
        self._wanted: dict[str, str] = {}
        """Symbols whose prices are followed: the engine's to ccxt's."""
        self.streams: AccountStreams | None = None
        """What is followed, while somebody watches."""
        self._puzzled: set[str] = set()
        self._told: set[str] = set()
        self._checked: set[str] = set()
        """Symbols whose own settings were checked on this connection."""

    # -- life

    async def open(self) -> None:
        """Connect, load the markets, check credentials, account type and position mode."""
        await self._link.open()

    async def close(self) -> None:
        """Close the connections."""
        await self._link.close()

    async def identity(self) -> AccountIdentity | None:
        """Return the exchange's number of the account, where it has a route for it."""
        uid = await self._link.ask("account id", self._venue.uid)
        if uid is None:
            return None
        return AccountIdentity(host=self._link.host, uid=uid, may_withdraw=self._venue.may_withdraw)

    def request_budgets(self) -> Mapping[str, float]:
        """Give what is left of each request limit, those of this machine's address included."""
        return self._link.budgets()

    async def watch(self, stream: AccountStream) -> None:
        """Follow the streams, which are opened here and closed when this is cancelled."""
        if not self._context.options.streams:
            await asyncio.Event().wait()
        self.streams = streams = AccountStreams(
            self._venue,
            stream,
            clock=self._context.clock,
            outages=self._context.outages,
            symbols=lambda: self._link.listed,
            knows=self._link.knows,
            wanted=self._wanted,
        )
        try:
            async with self._link.listening(streams):
                await streams.run()
        finally:
            self.streams = None

    async def diagnose(self) -> Sequence[Finding]:
        """Look over the clock, and what only this exchange knows."""
        skew = await self._link.skew()
        found = []
        if proxy := self._context.options.proxy_identity:
            where = proxy.rpartition("@")[2]
            found.append(
                Finding(severity=Severity.OK, check="proxy", text=f"everything goes through {where}")
            )
        if skew is not None:
            bad = abs(skew) > SKEW_ADJUSTED
            found.append(
                Finding(
                    severity=Severity.WARNING if bad else Severity.OK,
                    check="clock",
                    text=tell_skew(skew),
                    remedy=Trouble.CLOCK.remedy if bad else "",
                )
            )
        return [*found, *await self._link.ask("looking the account over", self._venue.findings)]

    async def trading_terms(self, symbol: str) -> TradingTerms:
        """Return the account's fee rate, the spread, and what others have placed: each as far as the exchange tells."""
        market = await self._market(symbol)
        exchange, name = self._venue.exchange, market["symbol"]
        fee = await self._if_told("fee rate", "fetchTradingFee", lambda: exchange.fetch_trading_fee(name))
        resting = await self._if_told(
            "open orders", "fetchOpenOrders", lambda: exchange.fetch_open_orders(name)
        )
        tickers = await self._if_told("prices", "fetchTickers", lambda: exchange.fetch_tickers([name]))
        ticker = (tickers or {}).get(name, {})
        bid, ask = number(ticker.get("bid")), number(ticker.get("ask"))
        own = number((fee or {}).get("taker"))
        return TradingTerms(
            taker_fee=own if own is not None else number(market.get("taker")),
            of_account=own is not None,
            spread=ask - bid if ask and bid else None,
            open_orders=None if resting is None else len(resting),
        )

    async def _if_told(self, what: str, method: str, request: Callable[[], Awaitable[Any]]) -> Any:
        """Return an answer that nothing depends on; None where the exchange has none."""
        if not self._venue.exchange.has.get(method):
            return None
        try:
            return await self._link.ask(what, request)
        except TradeEngineError as error:
            self._context.log.info("{}: not known: {}", what, error)
            return None

    # -- reading

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Give the instruments of those symbols that the exchange trades, from the shared list."""
        known = await self._link.symbols()
        found = {}
        fresh: dict[str, Row] = {}
        for symbol in symbols:
            market = known.market(symbol)
            if market is None:
                continue
            if self._venue.tradable(market):
                found[symbol] = self._venue.instrument(symbol, market)
                if symbol not in self._checked:
                    fresh[symbol] = market
            elif symbol not in self._told:
                self._told.add(symbol)
                self._context.log.warning("{}: {}", symbol, self._venue.obstacle(market))
        names = list(fresh)
        for some in (names[at : at + CHECKED_AT_ONCE] for at in range(0, len(names), CHECKED_AT_ONCE)):
            markets = [fresh[name] for name in some]
            await self._link.ask("settings of symbols", partial(self._venue.check_symbols, markets))
            self._checked.update(some)
        return found

    async def equity(self) -> Known[Equity]:
        """Read the account's value in the settle coin."""
        asked_at = self._context.clock.now()
        value = await self._link.ask("equity", self._venue.fetch_equity)
        return Known(value=value, as_of=asked_at)

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Read every position that pays in the settle coin in one request, and what flat symbols are set to."""
        asked_at = self._context.clock.now()
        await self._link.symbols()

        async def parsed() -> dict[str, Position]:
            rows = await self._venue.fetch_positions()
            return self._parsed(
                rows, self._link.listed
            )  # not those from before: ccxt parsed with the present ones

        held = await self._link.ask("positions", parsed)
        flat = {symbol: found for symbol in self._wanted if (found := self._venue.flat_position(symbol))}
        return Known(value={**flat, **held}, as_of=asked_at)

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Read the price of each symbol that has one, in one request. From now on streams follow them, too."""
        asked_at = self._context.clock.now()
        known = await self._link.symbols()
        markets = {symbol: known.market(symbol) for symbol in symbols}
        wanted = {symbol: str(market["symbol"]) for symbol, market in markets.items() if market is not None}
        if not wanted:
            return Known(value={}, as_of=asked_at)
        self._wanted.update(wanted)
        names = list(wanted.values())
        tickers = await self._link.ask("prices", lambda: self._venue.fetch_tickers(names))
        prices = {symbol: self._venue.price(tickers.get(name) or {}) for symbol, name in wanted.items()}
        value = {symbol: price for symbol, price in prices.items() if price is not None and price > 0}
        return Known(value=value, as_of=asked_at)

    async def funding(self, symbols: Sequence[str]) -> Mapping[str, FundingRate] | None:
        """Read what is announced for the next funding of each symbol that has one."""
        known = await self._link.symbols()
        markets = {symbol: known.market(symbol) for symbol in symbols}
        names = {str(market["symbol"]): symbol for symbol, market in markets.items() if market is not None}
        return await announced_funding(self._link, names)

    def _parsed(self, rows: Sequence[Row], symbols: Symbols) -> dict[str, Position]:
        found: dict[str, Position] = {}
        for row in rows:
            name = str(row.get("symbol"))
            symbol = symbols.engine(name)
            market = symbols.market(symbol) if symbol else None
            if symbol is None or market is None:
                self._refuse_unknown(name, row)
                continue
            position = self._venue.position(symbol, row, market)
            other = found.get(symbol)
            if self._venue.hedged(row) or (other and other.quantity and position.quantity):
                if not self._venue.hedge_per_symbol:
                    self._venue.refuse_hedge_mode()
                found[symbol] = _hedged(position, other)
            elif other is None or position.quantity:
                found[symbol] = position
        return found

    def _refuse_unknown(self, name: str, row: Row) -> None:
        """A position in an instrument that we have not heard of makes the read incomplete, until the list is new."""
        if number(row.get("contracts")) == ZERO or self._link.knows(name):
            return
        if name not in self._puzzled:
            self._puzzled.add(name)
            self._link.renew_markets()
        if self._link.renewing:
            raise NotReady(
                f"{name} is held but not in the list of instruments yet: the list is being read again"
            )

    # -- acting

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        """Set the leverage; "unchanged" is a success."""
        market = await self._market(symbol)
        with priority(Priority.INCREASE):
            await self._link.ask(
                f"leverage {leverage} of {symbol}",
                lambda: self._venue.set_leverage(market, leverage, margin_mode),
                setting=True,
            )

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        """Set the margin mode; "unchanged" is a success."""
        market = await self._market(symbol)
        with priority(Priority.INCREASE):
            await self._link.ask(
                f"margin mode {margin_mode} of {symbol}",
                lambda: self._venue.set_margin_mode(market, margin_mode),
                setting=True,
            )

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Send one market order, once."""
        market = await self._market(order.symbol)
        contracts = self._contracts(order, market)
        with priority(Priority.REDUCE if order.reduce_only else Priority.INCREASE):
            row = await self._link.ask(
                f"{order.side} {order.quantity:f} {order.symbol}",
                lambda: self._venue.create_order(order, contracts, market),
                sending=True,
            )
        return self._venue.report(order.client_order_id, row, market)

    async def place_stop(self, stop: StopRequest) -> None:
        """Have a stop order rest."""
        market = await self._market(stop.symbol)
        contracts = self._contracts(stop, market)
        with priority(Priority.PROTECT):
            await self._link.ask(
                f"{stop.kind} of {stop.quantity:f} {stop.symbol} at {stop.trigger:f}",
                lambda: self._venue.create_stop(stop, contracts, market),
                sending=True,
            )

    async def cancel_stop(self, symbol: str, client_order_id: str) -> None:
        """Cancel a stop order; one that is not there any more is a success."""
        market = await self._market(symbol)
        with priority(Priority.PROTECT):
            await self._link.ask(
                f"cancelling stop {client_order_id}",
                lambda: self._venue.cancel_stop(client_order_id, market),
                sending=True,
                absent=Trouble.NOT_FOUND,
            )

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Look a stop order up by its client order id."""
        market = await self._market(symbol)
        with priority(Priority.PROTECT):
            row = await self._link.ask(
                f"stop {client_order_id}",
                lambda: self._venue.find_stop(client_order_id, market),
                absent=Trouble.NOT_FOUND,
            )
        return None if row is None else self._venue.report(client_order_id, row, market)

    async def stops(self) -> Sequence[RestingStop]:
        """Read every stop order that rests."""
        known = await self._link.symbols()
        rows = await self._link.ask("stops", self._venue.fetch_stops)
        return [
            RestingStop(
                client_order_id=self._venue.client_order_id(row) or "",
                symbol=known.engine(str(row.get("symbol"))) or str(row.get("symbol")),
            )
            for row in rows
        ]

    def _contracts(self, order: OrderRequest | StopRequest, market: Row) -> Decimal:
        """Size in contracts. ccxt would cut off what is not a multiple of the step; we refuse it."""
        contracts = order.quantity / self._venue.contract_size(market)
        step = self._venue.amount_step(market)
        if contracts <= 0 or (step and contracts % step):
            raise OrderRejected(
                f"{order.quantity:f} {order.symbol} is not a multiple of the step "
                f"({step} contracts of {self._venue.contract_size(market)})",
                code="precision",
            )
        return contracts

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Look an order up by its client order id."""
        market = await self._market(symbol)
        with priority(Priority.INCREASE):
            row = await self._link.ask(
                f"order {client_order_id}",
                lambda: self._venue.find_order(client_order_id, market),
                absent=Trouble.NOT_FOUND,
            )
        return None if row is None else self._venue.report(client_order_id, row, market)

    async def order_cost(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Ask what an order cost; every other request goes first."""
        market = await self._market(symbol)
        with priority(Priority.RECORD):
            row = await self._link.ask(
                f"cost of order {client_order_id}",
                lambda: self._venue.order_cost(client_order_id, market),
                absent=Trouble.NOT_FOUND,
            )
        return None if row is None else self._venue.report(client_order_id, row, market)

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Read what came or went without an order; every other request goes first."""
        known = await self._link.symbols()
        with priority(Priority.RECORD):
            found = await self._link.ask("payments", lambda: self._venue.fetch_flows(since))
        return [replace(flow, symbol=known.engine(flow.symbol) if flow.symbol else None) for flow in found]

    async def _market(self, symbol: str) -> Row:
        market = (await self._link.symbols()).market(symbol)
        if market is None:
            raise OrderRejected(
                f"{self._venue.title} has no perpetual {symbol} that pays in {self._venue.options.settle}",
                code="unknown_symbol",
            )
        return market


def _hedged(side: Position, other: Position | None) -> Position:
    """Join a symbol's two sides of hedge mode: what they come to is shown and counted, and not traded."""
    return replace(
        side,
        quantity=side.quantity + (other.quantity if other else ZERO),
        obstacle=f"{side.symbol}: {Trouble.HEDGED_SYMBOL.remedy}",
    )
