"""An account at an exchange, as the engine sees it, over ccxt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from te_core.api import (
    AccountContext,
    AccountStream,
    Equity,
    ExchangeAccount,
    Finding,
    Instrument,
    Known,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Position,
    Severity,
)
from te_exchange_ccxt.budget import Priority, priority
from te_exchange_ccxt.connection import SKEW_ADJUSTED, Connection, tell_skew
from te_exchange_ccxt.live import Live
from te_exchange_ccxt.symbols import Symbols
from te_exchange_ccxt.trouble import Trouble
from te_exchange_ccxt.venue import Venue
from te_exchange_ccxt.wire import ZERO, Row, number


def account_factory(venue: Callable[[Any], Venue]) -> Callable[[AccountContext[Any]], CcxtAccount]:
    """Give what an ``ExchangeSpec`` needs: makes accounts that speak through that kind of venue."""
    return lambda context: CcxtAccount(context, venue(context.options))


class CcxtAccount(ExchangeAccount):
    """One account through ccxt. What exchanges do differently is the venue's; streams save reads where they live."""

    def __init__(self, context: AccountContext[Any], venue: Venue) -> None:
        self._context = context
        self._venue = venue
        self._link = Connection(context, venue)
        self._live = Live(venue, context.clock, context.log, lambda: self._link.listed, self._reread)
        self._puzzled: set[str] = set()
        self._told: set[str] = set()

    # -- life

    async def open(self) -> None:
        """Connect, load the markets, check credentials, account type and position mode."""
        await self._link.open()
        if self._context.options.streams:
            self._link.exchange.ear = self._live
            self._live.start()

    async def close(self) -> None:
        """Close connections and streams."""
        await self._live.stop()
        await self._link.close()

    async def watch(self, stream: AccountStream) -> None:
        """Report changes of positions and orders that are not of our own doing."""
        await self._live.watch(stream.changed)

    async def diagnose(self) -> Sequence[Finding]:
        """Look over the clock, and what only this exchange knows."""
        skew = await self._link.skew()
        found = []
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

    # -- reading

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Give the instruments of those symbols that the exchange trades, from the shared list."""
        known = await self._link.symbols()
        found = {}
        for symbol in symbols:
            market = known.market(symbol)
            if market is None:
                continue
            if self._venue.tradable(market):
                found[symbol] = self._venue.instrument(symbol, market)
            elif symbol not in self._told:
                self._told.add(symbol)
                self._context.log.warning("{}: {}", symbol, self._venue.obstacle(market))
        return found

    async def equity(self) -> Known[Equity]:
        """Give the account's value in the settle coin: as pushed, else read."""
        return self._live.equity() or await self._read_equity()

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Give every position that pays in the settle coin: as pushed, else read in one request."""
        return self._live.positions() or await self._read_positions()

    async def _read_equity(self) -> Known[Equity]:
        asked_at, sent = self._context.clock.now(), self._context.clock.monotonic()
        value = await self._link.ask("equity", self._venue.fetch_equity)
        self._live.memory.equity_read(value, sent)
        return Known(value=value, as_of=asked_at)

    async def _read_positions(self) -> Known[Mapping[str, Position]]:
        asked_at, sent = self._context.clock.now(), self._context.clock.monotonic()
        symbols = await self._link.symbols()

        async def parsed() -> dict[str, Position]:
            return self._parsed(await self._venue.fetch_positions(), symbols)

        value = await self._link.ask("positions", parsed)
        if self._live.memory.positions_read(value, sent, self._context.clock.monotonic()):
            self._live.missed()
        return Known(value=value, as_of=asked_at)

    async def _reread(self, kinds: Collection[str]) -> None:
        """Read what streams build on: "positions", "equity" or both."""
        reads = {"positions": self._read_positions, "equity": self._read_equity}
        await asyncio.gather(*(reads[kind]() for kind in kinds))

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Give the price of each symbol that has one, in one request."""
        asked_at = self._context.clock.now()
        known = await self._link.symbols()
        markets = {symbol: known.market(symbol) for symbol in symbols}
        wanted = {symbol: str(market["symbol"]) for symbol, market in markets.items() if market is not None}
        if not wanted:
            return Known(value={}, as_of=asked_at)
        if pushed := self._live.prices(wanted):
            return pushed
        names = list(wanted.values())
        tickers = await self._link.ask("prices", lambda: self._venue.fetch_tickers(names))
        prices = {symbol: self._venue.price(tickers.get(name) or {}) for symbol, name in wanted.items()}
        value = {symbol: price for symbol, price in prices.items() if price is not None and price > 0}
        return Known(value=value, as_of=asked_at)

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
                self._venue.refuse_hedge_mode()
            if other is None or position.quantity:
                found[symbol] = position
        return found

    def _refuse_unknown(self, name: str, row: Row) -> None:
        """A position in an instrument that we have not heard of makes the read incomplete, until the list is new."""
        held = number(row.get("contracts"))
        if held == ZERO or self._link.knows(name) or name in self._puzzled:
            return
        self._puzzled.add(name)
        self._link.expire_markets()
        raise NotReady(f"{name} is held but not in the list of instruments yet: reading the list again")

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
        name, final = order.client_order_id, False
        self._live.memory.ordering(name, order.symbol, self._context.clock.monotonic())
        try:
            with priority(Priority.REDUCE if order.reduce_only else Priority.INCREASE):
                row = await self._link.ask(
                    f"{order.side} {order.quantity:f} {order.symbol}",
                    lambda: self._venue.create_order(order, contracts, market),
                    sending=True,
                )
            report = self._venue.report(name, row, market)
            final = report.status is not OrderStatus.OPEN
        except (OrderRejected, NotReady):
            final = True
            raise
        finally:
            self._live.answered(order.symbol, name, final=final)
        return report

    def _contracts(self, order: OrderRequest, market: Row) -> Decimal:
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
        report = None if row is None else self._venue.report(client_order_id, row, market)
        final = report is not None and report.status is not OrderStatus.OPEN
        self._live.answered(symbol, client_order_id, final=final)
        return report

    async def _market(self, symbol: str) -> Row:
        market = (await self._link.symbols()).market(symbol)
        if market is None:
            raise OrderRejected(
                f"{self._venue.title} has no perpetual {symbol} that pays in {self._venue.options.settle}",
                code="unknown_symbol",
            )
        return market
