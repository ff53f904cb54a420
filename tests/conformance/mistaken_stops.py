"""What plugins get wrong with stops that rest at the exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

from te_core.api import (
    AccountContext,
    Known,
    OrderRejected,
    OrderReport,
    OrderStatus,
    RestingStop,
    StopRequest,
)
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.stops import PaperStop
from te_exchange_paper.testing import PaperConnection

ZERO = Decimal(0)


class RestsEveryStopForHalf(PaperAccount):
    """The size is in contracts instead of base units."""

    async def place_stop(self, stop: StopRequest) -> None:
        (instrument,) = (await self.instruments([stop.symbol])).values()
        half = instrument.round_quantity(stop.quantity / 2)
        await super().place_stop(replace(stop, quantity=half))


class OpensWhenAStopFires(PaperAccount):
    """A stop that is not reduce-only, and twice as large as the position."""

    def __init__(self, context: AccountContext[Any]) -> None:
        super().__init__(context)
        usual = self.books.triggered_quantity

        def twice(stop: PaperStop, held: Decimal) -> Decimal:
            return 2 * usual(stop, held)

        self.books.triggered_quantity = twice  # type: ignore[method-assign]


class ForgetsStopsThatFired(PaperAccount):
    """Only resting stops are looked up."""

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        found = await super().find_stop(symbol, client_order_id)
        return found if found is not None and found.status is OrderStatus.OPEN else None


class SaysCancelledForFired(PaperAccount):
    """A triggered stop is no longer listed, and counts as cancelled after a new connection."""

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        found = await super().find_stop(symbol, client_order_id)
        if found is None or found.status is OrderStatus.OPEN or client_order_id in self.placed:
            return found
        return replace(found, status=OrderStatus.CANCELLED, filled=ZERO)

    def __init__(self, context: AccountContext[Any]) -> None:
        super().__init__(context)
        self.placed: set[str] = set()

    async def place_stop(self, stop: StopRequest) -> None:
        self.placed.add(stop.client_order_id)
        await super().place_stop(stop)


class LeavesOldStops(PaperAccount):
    """Cancelling reports success while a position of the opposite side is held."""

    async def cancel_stop(self, symbol: str, client_order_id: str) -> None:
        held = self.books.ledger.holding(symbol).quantity
        if held * self.books.stops[client_order_id].side.sign <= 0:
            await super().cancel_stop(symbol, client_order_id)


class SaysFilledForStopsInPart(PaperAccount):
    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        found = await super().find_stop(symbol, client_order_id)
        stop = self.books.stops.get(client_order_id)
        if found is None or stop is None or not found.filled:
            return found
        return replace(found, status=OrderStatus.FILLED, filled=stop.quantity)


class TakesARefusedStopForPlaced(PaperConnection):
    async def place_stop(self, stop: StopRequest) -> None:
        with suppress(OrderRejected):
            await super().place_stop(stop)


class KnowsItsOwnStopsOnly(PaperAccount):
    """Stops are looked up in what this connection has placed."""

    def __init__(self, context: AccountContext[Any]) -> None:
        super().__init__(context)
        self.placed: set[str] = set()

    async def place_stop(self, stop: StopRequest) -> None:
        self.placed.add(stop.client_order_id)
        await super().place_stop(stop)

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        return await super().find_stop(symbol, client_order_id) if client_order_id in self.placed else None

    async def stops(self) -> Sequence[RestingStop]:
        return [stop for stop in await super().stops() if stop.client_order_id in self.placed]


class ListsWhatItPlaced(PaperAccount):
    """The list of stops is cached and never read again; a look-up relies on it."""

    async def stops(self) -> Sequence[RestingStop]:
        return [
            RestingStop(client_order_id=stop.client_order_id, symbol=stop.symbol)
            for stop in self.books.stops.values()
            if stop.ended in ("", "cancelled")
        ]


class NamesTheFirstPrice(PaperAccount):
    """Prices are read only once."""

    first: Known[Mapping[str, Decimal]] | None = None

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        known = await super().prices(symbols)
        self.first = self.first or known
        return replace(known, value={**known.value, **self.first.value})


class PlacesStopsOnce(PaperAccount):
    """The second stop of a symbol and side counts as a repetition of the first."""

    async def place_stop(self, stop: StopRequest) -> None:
        there = [
            one for one in self.books.resting_stops() if (one.symbol, one.kind) == (stop.symbol, stop.kind)
        ]
        if not any(one.side is stop.side and one.quantity == stop.quantity for one in there):
            await super().place_stop(stop)
