"""Accounts that are wrong in the ways that exchange plugins are, each built on paper, and a venue for them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

from loguru import logger

from te_core.api import (
    AccountContext,
    AccountIdentity,
    AccountStream,
    AuthError,
    CashFlow,
    ConfigError,
    DuplicateClientOrderId,
    Equity,
    Feed,
    Finding,
    Instrument,
    InsufficientMargin,
    Known,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    OrderStatus,
    OutcomeUnknown,
    Position,
    RateLimited,
    RestingStop,
    Severity,
    StopRequest,
    TradeEngineError,
)
from te_core.testing import virtual_clock
from te_core.testing.faults import FaultyAccount
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.stops import PaperStop
from te_exchange_paper.testing import PaperConnection, PaperHarness

ZERO = Decimal(0)
Positions = Known[Mapping[str, Position]]


class Mistaken(PaperHarness):
    """A venue whose plugin has a fault: in the account itself, or in what it makes of the exchange's answers."""

    def __init__(self, mistake: type[Any], folder: Path) -> None:
        self.mistake = mistake
        prices = {"BTCUSDT": "50000", "ETHUSDT": "2000", "DOGEUSDT": "0.125", "LTCUSDT": "80"}
        super().__init__(
            folder,
            clock=virtual_clock.VirtualClock(),
            log=logger,
            market={symbol: Decimal(price) for symbol, price in prices.items()},
            balance=100_000,
            fee="0.0006",
            instruments={
                "BTCUSDT": {"minimum_notional": 200},
                "DOGEUSDT": {"quantity_step": 100, "minimum_quantity": 100, "contract_size": 100},
                "LTCUSDT": {"largest_market_quantity": 300},
            },
        )

    def make_paper(self, context: AccountContext[Any]) -> PaperAccount:
        made = self.mistake(context) if issubclass(self.mistake, PaperAccount) else PaperAccount(context)
        assert isinstance(made, PaperAccount)
        return made

    def connect(self) -> FaultyAccount:
        account = super().connect()
        if issubclass(self.mistake, PaperConnection):
            self.account = self.mistake(account.inner, self)
        return self.account


# -- what is read


class ForgetsWhatItHoldsWhenIdle(PaperAccount):
    """A cache that runs empty counts as flat."""

    ordered_at = float("-inf")

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.ordered_at = self._context.clock.monotonic()
        return await super().place_order(order)

    async def positions(self) -> Positions:
        idle = self._context.clock.monotonic() - self.ordered_at > 5
        return replace(await super().positions(), value={}) if idle else await super().positions()


class KeepsWhatIsGone(PaperAccount):
    """A position that the exchange does not list any more is taken for unchanged."""

    def __init__(self, context: AccountContext[Any]) -> None:
        super().__init__(context)
        self.seen: dict[str, Position] = {}

    async def positions(self) -> Positions:
        known = await super().positions()
        self.seen |= {symbol: position for symbol, position in known.value.items() if position.quantity}
        return replace(known, value={**known.value, **self.seen})


class KeepsTheFirstSide(PaperAccount):
    """The side of a position is looked at once."""

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
    """Positions are what was ordered, not what the exchange says."""

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
    """Positions are asked for at most every second, unless it ordered something; the date of the answer stays."""

    last: Positions | None = None

    async def positions(self) -> Positions:
        if self.last is None or (self._context.clock.now() - self.last.as_of).total_seconds() > 1:
            self.last = await super().positions()
        return self.last

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.last = None
        return await super().place_order(order)


# -- what is pushed


class PushesWhatHappens(PaperAccount):
    """No mistake: a paper account that is followed."""

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
    """That it is subscribed is not passed on."""

    feeds = ()


class PushesNothing(PaperAccount):
    """Its subscription is confirmed, and that was it."""

    async def watch(self, stream: AccountStream) -> None:
        stream.up(Feed.POSITIONS)
        while True:
            stream.alive(Feed.POSITIONS)
            await asyncio.sleep(5)


# -- what is said of instruments


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


# -- settings


class NeverLowersTheLeverage(PaperAccount):
    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        highest = max(leverage, self.books.ledger.holding(symbol).leverage)
        await super().set_leverage(symbol, highest, margin_mode)


class ShowsTheLeverageThatItSet(PaperAccount):
    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        await super().set_leverage(symbol, leverage, margin_mode)
        self.leverage = {**getattr(self, "leverage", {}), symbol: Decimal(leverage)}

    async def positions(self) -> Positions:
        known = await super().positions()
        leverage = getattr(self, "leverage", {})
        shown = {s: replace(p, leverage=leverage.get(s, p.leverage)) for s, p in known.value.items()}
        return replace(known, value=shown)


class KeepsItsMarginMode(PaperAccount):
    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        pass

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        await super().set_leverage(symbol, leverage, MarginMode.ISOLATED)


class OrdersWithoutItsLeverage(PaperConnection):
    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        with suppress(OrderRejected):
            await super().set_leverage(symbol, leverage, margin_mode)


# -- orders


class TakesAnOrderForATarget(PaperAccount):
    """An order is the position that is wished for, not what is added to it."""

    async def place_order(self, order: OrderRequest) -> OrderReport:
        held = self.books.ledger.holding(order.symbol).quantity * order.side.sign
        if not order.reduce_only and held > 0:
            order = replace(order, quantity=abs(order.quantity - held))
        return await super().place_order(order)


class ClosesShortsInsteadOfReducingThem(PaperAccount):
    async def place_order(self, order: OrderRequest) -> OrderReport:
        held = self.books.ledger.holding(order.symbol).quantity
        if order.reduce_only and held < 0:
            order = replace(order, quantity=-held)
        return await super().place_order(order)


class ForgetsReduceOnly(PaperAccount):
    async def place_order(self, order: OrderRequest) -> OrderReport:
        return await super().place_order(replace(order, reduce_only=False))


class OpensWhatCannotBeReduced(PaperAccount):
    """What is refused for reduce-only is sent again without it."""

    async def place_order(self, order: OrderRequest) -> OrderReport:
        try:
            return await super().place_order(order)
        except OrderRejected:
            if not order.reduce_only:
                raise
            return await super().place_order(replace(order, reduce_only=False))


class ClosesEverything(PaperAccount):
    """The exchange's command that closes is used, and it closes the whole account."""

    async def place_order(self, order: OrderRequest) -> OrderReport:
        report = await super().place_order(order)
        if order.reduce_only and not self.books.ledger.holding(order.symbol).quantity:
            for symbol, position in (await self.positions()).value.items():
                if position.quantity > 0:
                    other = replace(order, symbol=symbol, quantity=position.quantity, client_order_id=symbol)
                    await super().place_order(other)
        return report


class CutsOffWhatIsNoMultiple(PaperAccount):
    async def place_order(self, order: OrderRequest) -> OrderReport:
        (instrument,) = (await self.instruments([order.symbol])).values()
        return await super().place_order(
            replace(order, quantity=max(instrument.round_quantity(order.quantity), instrument.quantity_step))
        )


class ExecutesDuplicates(PaperAccount):
    async def place_order(self, order: OrderRequest) -> OrderReport:
        try:
            return await super().place_order(order)
        except DuplicateClientOrderId:
            return await super().place_order(replace(order, client_order_id=order.client_order_id[::-1]))


class SaysFilledForFilledInPart(PaperConnection):
    async def place_order(self, order: OrderRequest) -> OrderReport:
        report = await super().place_order(order)
        return replace(report, status=OrderStatus.FILLED, filled=order.quantity)


class DatesItsOwnRequests(PaperAccount):
    def __init__(self, context: AccountContext[Any]) -> None:
        super().__init__(replace(context, date=context.clock.now))


# -- who it is


class NumbersItsConnections(PaperAccount):
    """The number of the session is taken for that of the account."""

    sessions = count(1)

    async def open(self) -> None:
        await super().open()
        self.session = next(self.sessions)

    async def identity(self) -> AccountIdentity:
        return replace(await super().identity(), uid=str(self.session))


# -- looking orders up


class FindsNothing(PaperAccount):
    async def find_order(self, symbol: str, client_order_id: str) -> None:
        return None


class FindsAnything(PaperAccount):
    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        orders = self.books.store.orders()
        return await super().find_order(symbol, client_order_id) or (orders[-1].report() if orders else None)


class KnowsItsOwnOrdersOnly(PaperAccount):
    """Orders are looked up in what this connection has sent."""

    def __init__(self, context: AccountContext[Any]) -> None:
        super().__init__(context)
        self.sent: set[str] = set()

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.sent.add(order.client_order_id)
        return await super().place_order(order)

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        return await super().find_order(symbol, client_order_id) if client_order_id in self.sent else None


class WaitsForWhatWasNeverSent(KnowsItsOwnOrdersOnly):
    """An order from before the restart that nobody knows is said to be under way."""

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        found = await PaperAccount.find_order(self, symbol, client_order_id)
        if found is None and not self.sent:
            return OrderReport(client_order_id=client_order_id, status=OrderStatus.OPEN)
        return found


# -- stops


class RestsEveryStopForHalf(PaperAccount):
    """A size in contracts of another unit."""

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
    """Of stops only those are looked up that rest."""

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        found = await super().find_stop(symbol, client_order_id)
        return found if found is not None and found.status is OrderStatus.OPEN else None


class SaysCancelledForFired(PaperAccount):
    """A stop that was triggered is not in the list any more, which is taken for cancelled, after a new connection."""

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
    """Cancelling is answered with a success while the position is held the other way round."""

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
    """The list of stops is kept, and not asked for; a look-up believes it."""

    async def stops(self) -> Sequence[RestingStop]:
        return [
            RestingStop(client_order_id=stop.client_order_id, symbol=stop.symbol)
            for stop in self.books.stops.values()
            if stop.ended in ("", "cancelled")
        ]


class NamesTheFirstPrice(PaperAccount):
    """Prices are read once."""

    first: Known[Mapping[str, Decimal]] | None = None

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        known = await super().prices(symbols)
        self.first = self.first or known
        return replace(known, value={**known.value, **self.first.value})


class PlacesStopsOnce(PaperAccount):
    """The second stop of a symbol and side is taken for a repetition of the first."""

    async def place_stop(self, stop: StopRequest) -> None:
        there = [
            one for one in self.books.resting_stops() if (one.symbol, one.kind) == (stop.symbol, stop.kind)
        ]
        if not any(one.side is stop.side and one.quantity == stop.quantity for one in there):
            await super().place_stop(stop)


# -- errors


class _Mistranslates(PaperConnection):
    """Raises another error than the contract asks for, where ``code`` is in the right one's text."""

    right: type[TradeEngineError]
    code = ""
    wrong: TradeEngineError

    async def place_order(self, order: OrderRequest) -> OrderReport:
        report: OrderReport = await self.translated(super().place_order(order))
        return report

    async def translated(self, call: Any) -> Any:
        try:
            return await call
        except self.right as error:
            raise (self.wrong if self.code in str(error) else error) from None


class StopsForWantOfMargin(_Mistranslates):
    right, wrong = InsufficientMargin, AuthError("no margin")


class TakesALimitForARefusal(_Mistranslates):
    right, wrong = RateLimited, OrderRejected("429")


class TakesSilenceForARefusal(_Mistranslates):
    right, wrong = OutcomeUnknown, OrderRejected("timeout")


class StopsAtAHaltedSymbol(_Mistranslates):
    right, code, wrong = OrderRejected, "halted", AuthError("halted")


class TriesHedgeModeAgain(_Mistranslates):
    right, code, wrong = AuthError, "hedge", OrderRejected("position side")


class TriesABadKeyAgain(_Mistranslates):
    right, code, wrong = AuthError, "key", NotReady("401")

    async def open(self) -> None:
        await self.translated(super().open())


class DoesNotLookForHedgeMode(PaperConnection):
    async def open(self) -> None:
        with suppress(ConfigError):
            await super().open()
            return
        await self.inner.open()


# -- money


class TellsThePriceThatWasAskedFor(PaperAccount):
    """Something near the reference price stands in for the price of the fill."""

    async def place_order(self, order: OrderRequest) -> OrderReport:
        report = await PaperAccount.place_order(self, order)
        return replace(report, average_price=order.reference_price * Decimal("1.01"))


class ReceivesItsFees(PaperAccount):
    async def place_order(self, order: OrderRequest) -> OrderReport:
        report = await PaperAccount.place_order(self, order)
        return replace(report, fee=-report.fee if report.fee is not None else None)


class ReceivesWhatItPays(PaperAccount):
    """The sign of a payment is the exchange's, not the account's."""

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        return [replace(flow, amount=-flow.amount) for flow in await PaperAccount.cash_flows(self, since)]


class NumbersItsPaymentsAnew(PaperAccount):
    def __init__(self, context: AccountContext[Any]) -> None:
        super().__init__(context)
        self.numbers = count(1)

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        found = await PaperAccount.cash_flows(self, since)
        return [replace(flow, key=str(next(self.numbers))) for flow in found]


# -- connections


class DiagnosesByTrading(PaperAccount):
    """Whether the key may trade is found out by an order."""

    async def diagnose(self) -> Sequence[Finding]:
        order = replace(next(iter(self.handed_in)), client_order_id="7e" + "d" * 30)
        await PaperAccount.place_order(self, order)
        return [Finding(severity=Severity.OK, check="permissions", text="the key may trade")]

    def __init__(self, context: AccountContext[Any]) -> None:
        super().__init__(context)
        self.handed_in: list[OrderRequest] = []

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.handed_in.append(order)
        return await super().place_order(order)


class FindsFaultWithoutARemedy(PaperAccount):
    async def diagnose(self) -> Sequence[Finding]:
        return [Finding(severity=Severity.WARNING, check="clock", text="slow")]


class DatesReadsWhenTheyArrive(PaperConnection):
    """The date of an answer is when it was there, not when it was asked for."""

    async def equity(self) -> Known[Equity]:
        return replace(await super().equity(), as_of=self.exchange.clock.now())


class DatesPricesByAnotherClock(PaperAccount):
    """The exchange's clock is a little ahead, and taken as it is."""

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        known = await super().prices(symbols)
        return replace(known, as_of=known.as_of + timedelta(seconds=0.1))


class OutlivesItsCancellation(PaperConnection):
    """A request that is cancelled counts as one that failed."""

    async def equity(self) -> Known[Equity]:
        try:
            return await super().equity()
        except asyncio.CancelledError:
            raise NotReady("no answer") from None


class LeavesATaskBehind(PaperAccount):
    """What keeps the connection alive goes on after it is closed."""

    background: ClassVar[set[asyncio.Task[None]]] = set()

    async def open(self) -> None:
        await super().open()
        self.background.add(asyncio.create_task(asyncio.sleep(1e6)))


class CountsBudgetsInRequests(PaperAccount):
    def request_budgets(self) -> Mapping[str, float]:
        return {"orders": 40}
