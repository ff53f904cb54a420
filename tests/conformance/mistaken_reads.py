"""What plugins get wrong when they read, date and push what is held, and describe instruments."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from te_core.api import (
    AccountContext,
    AccountStream,
    Equity,
    Feed,
    Instrument,
    Known,
    NotReady,
    OrderReport,
    OrderRequest,
    Position,
)
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.testing import PaperConnection
from tests.conformance.mistaken import Positions

ZERO = Decimal(0)


class ForgetsWhatItHoldsWhenIdle(PaperAccount):
    """An empty cache counts as flat."""

    ordered_at = float("-inf")

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.ordered_at = self._context.clock.monotonic()
        return await super().place_order(order)

    async def positions(self) -> Positions:
        idle = self._context.clock.monotonic() - self.ordered_at > 5
        return replace(await super().positions(), value={}) if idle else await super().positions()


class KeepsWhatIsGone(PaperAccount):
    """A position that the exchange no longer lists counts as unchanged."""

    def __init__(self, context: AccountContext[Any]) -> None:
        super().__init__(context)
        self.seen: dict[str, Position] = {}

    async def positions(self) -> Positions:
        known = await super().positions()
        self.seen |= {symbol: position for symbol, position in known.value.items() if position.quantity}
        return replace(known, value={**known.value, **self.seen})


class KeepsTheFirstSide(PaperAccount):
    """The side of a position is read only once."""

    def __init__(self, context: AccountContext[Any]) -> None:
        super().__init__(context)
        self.short: dict[str, bool] = {}

    async def positions(self) -> Positions:
        known = await super().positions()
        return replace(known, value={s: self._sided(s, p) for s, p in known.value.items()})

    def _sided(self, symbol: str, position: Position) -> Position:
        if not position.quantity:
            return position
        short = self.short.setdefault(symbol, position.quantity < 0)
        return replace(position, quantity=-abs(position.quantity) if short else abs(position.quantity))


class CountsItsOwnOrders(PaperAccount):
    """Positions are what was ordered, not what the exchange reports."""

    async def positions(self) -> Positions:
        known = await super().positions()
        ours = [order for order in self.books.store.orders() if order.client_order_id.startswith("7e")]
        sums = {s: sum((o.side.sign * o.quantity for o in ours if o.symbol == s), ZERO) for s in known.value}
        return replace(known, value={s: replace(p, quantity=sums[s]) for s, p in known.value.items()})


class CountsInContracts(PaperAccount):
    async def positions(self) -> Positions:
        known = await super().positions()
        sizes = await self.instruments(list(known.value))
        value = {s: replace(p, quantity=p.quantity / sizes[s].contract_size) for s, p in known.value.items()}
        return replace(known, value=value)


class NeverLoses(PaperAccount):
    """The wallet is the highest that was ever read."""

    highest = ZERO

    async def equity(self) -> Known[Equity]:
        known = await super().equity()
        self.highest = max(self.highest, known.value.wallet)
        return replace(known, value=replace(known.value, wallet=self.highest))


class TakesOneForAMissingPrice(PaperAccount):
    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        known = await super().prices(symbols)
        return replace(known, value={symbol: known.value.get(symbol, Decimal(1)) for symbol in symbols})


class TakesUnknownEquityForNone(PaperConnection):
    async def equity(self) -> Known[Equity]:
        try:
            return await super().equity()
        except NotReady:
            return Known(value=Equity(wallet=ZERO, total=ZERO), as_of=self.exchange.clock.now())


class TakesUnknownPositionsForNone(PaperConnection):
    async def positions(self) -> Positions:
        try:
            return await super().positions()
        except NotReady:
            return Known(value={}, as_of=self.exchange.clock.now())


class RepeatsItsReads(PaperAccount):
    """Positions are read at most once a second, unless it ordered something; a cached read keeps its timestamp."""

    last: Positions | None = None

    async def positions(self) -> Positions:
        if self.last is None or (self._context.clock.now() - self.last.as_of).total_seconds() > 1:
            self.last = await super().positions()
        return self.last

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.last = None
        return await super().place_order(order)


class PushesWhatHappens(PaperAccount):
    """Not a fault: a paper account with a stream."""

    feeds: tuple[Feed, ...] = (Feed.POSITIONS, Feed.ORDERS)

    async def watch(self, stream: AccountStream) -> None:
        stream.up(*self.feeds)
        shown: dict[str, Position] = {}
        orders = len(self.books.store.orders())
        while True:
            stream.alive(*self.feeds)
            for symbol, position in (await PaperAccount.positions(self)).value.items():
                if shown.get(symbol) != position:
                    stream.position(position)
                shown[symbol] = position
            for order in self.books.store.orders()[orders:]:
                stream.order(order.client_order_id, order.symbol)
                orders += 1
            await asyncio.sleep(0.1)


class PushesWithoutUp(PushesWhatHappens):
    """The subscription is not reported."""

    feeds = ()


class PushesNothing(PaperAccount):
    """The subscription is confirmed, and nothing follows."""

    async def watch(self, stream: AccountStream) -> None:
        stream.up(Feed.POSITIONS)
        while True:
            stream.alive(Feed.POSITIONS)
            await asyncio.sleep(5)


class _Misdescribes(PaperAccount):
    def wrong(self, instrument: Instrument) -> Instrument:
        raise NotImplementedError

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        known = await super().instruments(symbols)
        return {symbol: self.wrong(instrument) for symbol, instrument in known.items()}


class OverstatesTheLargestOrder(_Misdescribes):
    def wrong(self, instrument: Instrument) -> Instrument:
        largest = instrument.largest_market_quantity
        return replace(instrument, largest_market_quantity=largest and 3 * largest)


class HidesMinimums(_Misdescribes):
    def wrong(self, instrument: Instrument) -> Instrument:
        return replace(instrument, minimum_notional=ZERO, minimum_quantity=ZERO)


class UnderstatesTheStepOfContracts(_Misdescribes):
    def wrong(self, instrument: Instrument) -> Instrument:
        return replace(instrument, quantity_step=instrument.quantity_step / instrument.contract_size)


class DatesReadsWhenTheyArrive(PaperConnection):
    """A read is dated when its response arrived, not when it was requested."""

    async def equity(self) -> Known[Equity]:
        return replace(await super().equity(), as_of=self.exchange.clock.now())


class DatesPricesByAnotherClock(PaperAccount):
    """The exchange's clock is a little ahead and is not corrected for."""

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        known = await super().prices(symbols)
        return replace(known, as_of=known.as_of + timedelta(seconds=0.1))
