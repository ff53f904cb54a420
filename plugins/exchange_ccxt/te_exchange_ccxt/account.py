"""An account at an exchange through ccxt, as the engine sees it."""

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
from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter
from te_exchange_ccxt.budget import Priority, priority
from te_exchange_ccxt.client.connection import SKEW_ADJUSTED, Connection, describe_skew
from te_exchange_ccxt.client.funding_rates import announced_funding
from te_exchange_ccxt.errors import ErrorKind
from te_exchange_ccxt.parsing import ZERO, Row, number
from te_exchange_ccxt.streams.account_streams import AccountStreams
from te_exchange_ccxt.symbols import Symbols

CHECK_BATCH = 25
"""Symbols whose settings are checked in one call: if it times out, earlier batches are not checked again."""


def account_factory(
    adapter: Callable[[Any], ExchangeAdapter],
) -> Callable[[AccountContext[Any]], CcxtAccount]:
    """Return the factory that an ``ExchangeSpec`` needs: it creates accounts that use that adapter."""
    return lambda context: CcxtAccount(context, adapter(context.options))


class CcxtAccount(ExchangeAccount):
    """One account through ccxt.

    The adapter knows what is particular about the exchange. Reads always ask the exchange.
    """

    def __init__(self, context: AccountContext[Any], adapter: ExchangeAdapter) -> None:
        self._context = context
        self._adapter = adapter
        self._connection = Connection(context, adapter)
        self._wanted: dict[str, str] = {}
        """Symbols whose prices are followed: the engine's to ccxt's."""
        self.streams: AccountStreams | None = None
        """Streams, while ``watch`` runs."""
        self._puzzled: set[str] = set()
        self._told: set[str] = set()
        self._checked: set[str] = set()
        """Symbols whose settings were checked on this connection."""

    # -- life cycle

    async def open(self) -> None:
        """Connect, load the markets, check credentials, account type and position mode."""
        await self._connection.open()

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def identity(self) -> AccountIdentity | None:
        """Return the exchange's id of the account, if the exchange has a route for it."""
        uid = await self._connection.call("account id", self._adapter.uid)
        if uid is None:
            return None
        return AccountIdentity(
            host=self._connection.host,
            uid=uid,
            may_withdraw=self._adapter.may_withdraw,
            key_expires_at=self._adapter.key_expires_at,
        )

    def request_budgets(self) -> Mapping[str, float]:
        """Return the free share of each request limit, including the limits of this machine's address."""
        return self._connection.budgets()

    async def watch(self, stream: AccountStream) -> None:
        """Open the streams and follow them until cancelled."""
        if not self._context.options.streams:
            await asyncio.Event().wait()
        self.streams = streams = AccountStreams(
            self._adapter,
            stream,
            clock=self._context.clock,
            outages=self._context.outages,
            symbols=lambda: self._connection.listed,
            is_listed=self._connection.is_listed,
            wanted=self._wanted,
        )
        try:
            async with self._connection.listening(streams):
                await streams.run()
        finally:
            self.streams = None

    async def diagnose(self) -> Sequence[Finding]:
        """Check proxy and clock, then what only this exchange can check."""
        skew = await self._connection.skew()
        found = []
        if proxy := self._context.options.proxy_identity:
            where = proxy.rpartition("@")[2]
            found.append(
                Finding(severity=Severity.OK, check="proxy", text=f"all requests go through {where}")
            )
        if skew is not None:
            bad = abs(skew) > SKEW_ADJUSTED
            found.append(
                Finding(
                    severity=Severity.WARNING if bad else Severity.OK,
                    check="clock",
                    text=describe_skew(skew),
                    remedy=ErrorKind.CLOCK.remedy if bad else "",
                )
            )
        return [*found, *await self._connection.call("account diagnosis", self._adapter.findings)]

    async def trading_terms(self, symbol: str) -> TradingTerms:
        """Return the account's fee rate, the spread and the number of open orders, as far as the exchange reveals
        them."""
        market = await self._market(symbol)
        exchange, name = self._adapter.exchange, market["symbol"]
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
        """Return an optional answer; None if the exchange has none or the request fails."""
        if not self._adapter.exchange.has.get(method):
            return None
        try:
            return await self._connection.call(what, request)
        except TradeEngineError as error:
            self._context.log.info("{} unknown: {}", what, error)
            return None

    # -- reads

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Return the instruments of those symbols that the exchange trades, from the shared list."""
        known = await self._connection.symbols()
        found = {}
        fresh: dict[str, Row] = {}
        for symbol in symbols:
            market = known.market(symbol)
            if market is None:
                continue
            if self._adapter.tradable(market):
                found[symbol] = self._adapter.instrument(symbol, market)
                if symbol not in self._checked:
                    fresh[symbol] = market
            elif symbol not in self._told:
                self._told.add(symbol)
                self._context.log.warning("{}: {}", symbol, self._adapter.obstacle(market))
        names = list(fresh)
        for some in (names[at : at + CHECK_BATCH] for at in range(0, len(names), CHECK_BATCH)):
            markets = [fresh[name] for name in some]
            await self._connection.call("settings of symbols", partial(self._adapter.check_symbols, markets))
            self._checked.update(some)
        return found

    async def equity(self) -> Known[Equity]:
        """Read the account's value in the settle coin."""
        asked_at = self._context.clock.now()
        value = await self._connection.call("equity", self._adapter.fetch_equity)
        return Known(value=value, as_of=asked_at)

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Read all positions that settle in the settle coin with one request, and the settings of flat symbols."""
        asked_at = self._context.clock.now()
        await self._connection.symbols()

        async def read() -> dict[str, Position]:
            rows = await self._adapter.fetch_positions()
            return self._parsed(
                rows, self._connection.listed
            )  # not the symbols from before the read: ccxt parsed with the present ones

        held = await self._connection.call("positions", read)
        flat = {symbol: found for symbol in self._wanted if (found := self._adapter.flat_position(symbol))}
        return Known(value={**flat, **held}, as_of=asked_at)

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Read the price of each symbol that has one with one request.

        From now on streams follow these symbols, too.
        """
        asked_at = self._context.clock.now()
        known = await self._connection.symbols()
        markets = {symbol: known.market(symbol) for symbol in symbols}
        wanted = {symbol: str(market["symbol"]) for symbol, market in markets.items() if market is not None}
        if not wanted:
            return Known(value={}, as_of=asked_at)
        self._wanted.update(wanted)
        names = list(wanted.values())
        tickers = await self._connection.call("prices", lambda: self._adapter.fetch_tickers(names))
        prices = {symbol: self._adapter.price(tickers.get(name) or {}) for symbol, name in wanted.items()}
        value = {symbol: price for symbol, price in prices.items() if price is not None and price > 0}
        return Known(value=value, as_of=asked_at)

    async def funding(self, symbols: Sequence[str]) -> Mapping[str, FundingRate] | None:
        """Read the announced rate of the next funding of each symbol that has one."""
        known = await self._connection.symbols()
        markets = {symbol: known.market(symbol) for symbol in symbols}
        names = {str(market["symbol"]): symbol for symbol, market in markets.items() if market is not None}
        return await announced_funding(self._connection, names)

    def _parsed(self, rows: Sequence[Row], symbols: Symbols) -> dict[str, Position]:
        found: dict[str, Position] = {}
        for row in rows:
            name = str(row.get("symbol"))
            symbol = symbols.engine(name)
            market = symbols.market(symbol) if symbol else None
            if symbol is None or market is None:
                self._refuse_unknown(name, row)
                continue
            position = self._adapter.position(symbol, row, market)
            other = found.get(symbol)
            if self._adapter.hedged(row) or (other and other.quantity and position.quantity):
                if not self._adapter.hedge_per_symbol:
                    self._adapter.refuse_hedge_mode()
                found[symbol] = _hedged(position, other)
            elif other is None or position.quantity:
                found[symbol] = position
        return found

    def _refuse_unknown(self, name: str, row: Row) -> None:
        """Raise ``NotReady`` for a position in an unlisted instrument, until the list of instruments has been read
        again."""
        if number(row.get("contracts")) == ZERO or self._connection.is_listed(name):
            return
        if name not in self._puzzled:
            self._puzzled.add(name)
            self._connection.renew_markets()
        if self._connection.renewing:
            raise NotReady(f"{name} is held but not in the list of instruments yet; reading the list again")

    # -- orders and settings

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        """Set the leverage; "unchanged" is a success."""
        market = await self._market(symbol)
        with priority(Priority.INCREASE):
            await self._connection.call(
                f"leverage {leverage} of {symbol}",
                lambda: self._adapter.set_leverage(market, leverage, margin_mode),
                setting=True,
            )

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        """Set the margin mode; "unchanged" is a success."""
        market = await self._market(symbol)
        with priority(Priority.INCREASE):
            await self._connection.call(
                f"margin mode {margin_mode} of {symbol}",
                lambda: self._adapter.set_margin_mode(market, margin_mode),
                setting=True,
            )

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Send one market order, once."""
        market = await self._market(order.symbol)
        contracts = self._contracts(order, market)
        with priority(Priority.REDUCE if order.reduce_only else Priority.INCREASE):
            row = await self._connection.call(
                f"{order.side} {order.quantity:f} {order.symbol}",
                lambda: self._adapter.create_order(order, contracts, market),
                sending=True,
            )
        return self._adapter.report(order.client_order_id, row, market)

    async def place_stop(self, stop: StopRequest) -> None:
        """Place a stop order."""
        market = await self._market(stop.symbol)
        contracts = self._contracts(stop, market)
        with priority(Priority.PROTECT):
            await self._connection.call(
                f"{stop.kind} of {stop.quantity:f} {stop.symbol} at {stop.trigger:f}",
                lambda: self._adapter.create_stop(stop, contracts, market),
                sending=True,
            )

    async def cancel_stop(self, symbol: str, client_order_id: str) -> None:
        """Cancel a stop order; one that no longer exists is a success."""
        market = await self._market(symbol)
        with priority(Priority.PROTECT):
            await self._connection.call(
                f"cancelling stop {client_order_id}",
                lambda: self._adapter.cancel_stop(client_order_id, market),
                sending=True,
                absent=ErrorKind.NOT_FOUND,
            )

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Find a stop order by its client order id."""
        market = await self._market(symbol)
        with priority(Priority.PROTECT):
            row = await self._connection.call(
                f"stop {client_order_id}",
                lambda: self._adapter.find_stop(client_order_id, market),
                absent=ErrorKind.NOT_FOUND,
            )
        return None if row is None else self._adapter.report(client_order_id, row, market)

    async def stops(self) -> Sequence[RestingStop]:
        """Read all resting stop orders."""
        known = await self._connection.symbols()
        rows = await self._connection.call("stops", self._adapter.fetch_stops)
        return [
            RestingStop(
                client_order_id=self._adapter.client_order_id(row) or "",
                symbol=known.engine(str(row.get("symbol"))) or str(row.get("symbol")),
            )
            for row in rows
        ]

    def _contracts(self, order: OrderRequest | StopRequest, market: Row) -> Decimal:
        """Return the size in contracts.

        Raise ``OrderRejected`` if it is not a multiple of the step, which ccxt would truncate.
        """
        contracts = order.quantity / self._adapter.contract_size(market)
        step = self._adapter.amount_step(market)
        if contracts <= 0 or (step and contracts % step):
            raise OrderRejected(
                f"{order.quantity:f} {order.symbol} is not a multiple of the step "
                f"({step} contracts of {self._adapter.contract_size(market)})",
                code="precision",
            )
        return contracts

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Find an order by its client order id."""
        market = await self._market(symbol)
        with priority(Priority.INCREASE):
            row = await self._connection.call(
                f"order {client_order_id}",
                lambda: self._adapter.find_order(client_order_id, market),
                absent=ErrorKind.NOT_FOUND,
            )
        return None if row is None else self._adapter.report(client_order_id, row, market)

    async def order_cost(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Read what an order cost; all other requests go first."""
        market = await self._market(symbol)
        with priority(Priority.RECORD):
            row = await self._connection.call(
                f"cost of order {client_order_id}",
                lambda: self._adapter.order_cost(client_order_id, market),
                absent=ErrorKind.NOT_FOUND,
            )
        return None if row is None else self._adapter.report(client_order_id, row, market)

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Read payments that no order explains; all other requests go first."""
        known = await self._connection.symbols()
        with priority(Priority.RECORD):
            found = await self._connection.call("payments", lambda: self._adapter.fetch_flows(since))
        return [replace(flow, symbol=known.engine(flow.symbol) if flow.symbol else None) for flow in found]

    async def _market(self, symbol: str) -> Row:
        market = (await self._connection.symbols()).market(symbol)
        if market is None:
            raise OrderRejected(
                f"{self._adapter.title} has no perpetual {symbol} that settles in {self._adapter.options.settle}",
                code="unknown_symbol",
            )
        return market


def _hedged(side: Position, other: Position | None) -> Position:
    """Combine the two sides of hedge mode of a symbol: the net position is shown and counted, and not traded."""
    return replace(
        side,
        quantity=side.quantity + (other.quantity if other else ZERO),
        obstacle=f"{side.symbol}: {ErrorKind.HEDGED_SYMBOL.remedy}",
    )
