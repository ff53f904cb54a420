"""An exchange account that fails on purpose, at the boundary where real accounts fail."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, cast

from te_core.contracts.exchange import AccountIdentity, AccountStream, ExchangeAccount, Finding, TradingTerms
from te_core.errors import OutcomeUnknown, TradeEngineError
from te_core.model.funding import FundingRate
from te_core.model.instrument import Instrument
from te_core.model.money import CashFlow
from te_core.model.order import OrderReport, OrderRequest, OrderStatus, RestingStop, StopRequest
from te_core.model.position import Equity, MarginMode, Position
from te_core.model.reading import Known
from te_core.testing.stream_recorder import StreamRecorder

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one call; the fields apply in this order."""

    delay: float = 0
    """Seconds until the request arrives."""
    refused: TradeEngineError | None = None
    """Raised; nothing was executed."""
    stale: bool = False
    """A read returns its previous answer again, including its old time."""
    share: Decimal | None = None
    """The part of an order that fills (0 … 1, rounded to the step); the rest is cancelled."""
    answer_delay: float = 0
    """Seconds between the execution and the answer."""
    lost: TradeEngineError | None = None
    """Raised instead of the answer, after the request was executed."""
    late: float = 0
    """The request is executed only this many seconds after ``lost`` (or `OutcomeUnknown`) was raised."""
    lag: float = 0
    """Seconds for which reads of positions do not show an executed order yet, although their time looks fresh."""


_NOTHING = Fault()

Faults = Callable[[str, int], Fault | None]
"""Returns the fault of a method's n-th call (counted from 1), or None."""


def no_faults(method: str, call: int) -> Fault | None:
    """Return None: every call passes."""
    del method, call
    return None


def scripted(script: Mapping[str, Sequence[Fault | None]]) -> Faults:
    """Apply the listed faults to each method's calls in turn, then none."""

    def fault(method: str, call: int) -> Fault | None:
        steps = script.get(method, ())
        return steps[call - 1] if call <= len(steps) else None

    return fault


def seeded(chance: Callable[[], float], rates: Mapping[str, Sequence[tuple[float, Fault]]]) -> Faults:
    """Apply each fault to its own share of a method's calls; pass ``random.Random(seed).random`` as ``chance``."""

    def fault(method: str, call: int) -> Fault | None:
        del call
        drawn = chance()
        for rate, candidate in rates.get(method, ()):
            if drawn < rate:
                return candidate
            drawn -= rate
        return None

    return fault


class FaultyAccount(ExchangeAccount):
    """Passes every call on to ``inner``, except where a fault applies."""

    def __init__(self, inner: ExchangeAccount, faults: Faults = no_faults) -> None:
        self.inner = inner
        self.faults = faults
        """May be replaced at any time; faults passed to ``inject`` apply first."""
        self.calls: Counter[str] = Counter()
        """The number of calls by method."""
        self.sent: list[OrderRequest] = []
        """Every order that was passed in, executed or not."""
        self.stops_sent: list[StopRequest] = []
        """Every stop that was passed in, accepted or not."""
        self.pushed = StreamRecorder()
        """What ``watch`` passed on."""
        self._injected: dict[str, list[Fault | None]] = {}
        self._answers: dict[str, Any] = {}
        self._partial: dict[str, OrderReport] = {}
        self._late: list[asyncio.Task[None]] = []
        self._lagging: dict[str, tuple[float, Position | None]] = {}

    def inject(self, method: str, *faults: Fault | None) -> None:
        """Apply these faults to the next calls of a method in turn (None: that call passes)."""
        self._injected.setdefault(method, []).extend(faults)

    async def open(self) -> None:
        """Open the inner account."""
        await self._call("open", self.inner.open)

    async def close(self) -> None:
        """Close the inner account; requests that are still in flight are lost."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        await self._call("close", self.inner.close)

    async def identity(self) -> AccountIdentity | None:
        """Forward the call."""
        return await self._call("identity", self.inner.identity)

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Forward the call."""
        return await self._call("instruments", lambda: self.inner.instruments(symbols))

    async def equity(self) -> Known[Equity]:
        """Forward the call."""
        return await self._call("equity", self.inner.equity)

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Forward the call."""
        return await self._call("positions", self._positions)

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Forward the call."""
        return await self._call("prices", lambda: self.inner.prices(symbols))

    async def funding(self, symbols: Sequence[str]) -> Mapping[str, FundingRate] | None:
        """Forward the call."""
        return await self._call("funding", lambda: self.inner.funding(symbols))

    async def diagnose(self) -> Sequence[Finding]:
        """Forward the call."""
        return await self._call("diagnose", self.inner.diagnose)

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        """Forward the call."""
        await self._call("set_leverage", lambda: self.inner.set_leverage(symbol, leverage, margin_mode))

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        """Forward the call."""
        await self._call("set_margin_mode", lambda: self.inner.set_margin_mode(symbol, margin_mode))

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Record and forward the order, or a part of it."""
        self.sent.append(order)
        fault = self._next("place_order")
        return await self._carry_out("place_order", lambda: self._place_order(order, fault), fault)

    def request_budgets(self) -> Mapping[str, float]:
        """Return what is left of the inner account's request limits."""
        return self.inner.request_budgets()

    async def trading_terms(self, symbol: str) -> TradingTerms:
        """Forward the call."""
        return await self._call("trading_terms", lambda: self.inner.trading_terms(symbol))

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Forward the call; a partially filled order is reported in its final state."""

        async def find() -> OrderReport | None:
            return self._partial.get(client_order_id) or await self.inner.find_order(symbol, client_order_id)

        return await self._call("find_order", find)

    async def order_cost(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Forward the call; a partially filled order is reported in its final state."""

        async def find() -> OrderReport | None:
            return self._partial.get(client_order_id) or await self.inner.order_cost(symbol, client_order_id)

        return await self._call("order_cost", find)

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Forward the call."""
        return await self._call("cash_flows", lambda: self.inner.cash_flows(since))

    async def place_stop(self, stop: StopRequest) -> None:
        """Record and forward the stop."""
        self.stops_sent.append(stop)
        await self._call("place_stop", lambda: self.inner.place_stop(stop))

    async def cancel_stop(self, symbol: str, client_order_id: str) -> None:
        """Forward the call."""
        await self._call("cancel_stop", lambda: self.inner.cancel_stop(symbol, client_order_id))

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Forward the call."""
        return await self._call("find_stop", lambda: self.inner.find_stop(symbol, client_order_id))

    async def stops(self) -> Sequence[RestingStop]:
        """Forward the call."""
        return await self._call("stops", self.inner.stops)

    async def watch(self, stream: AccountStream) -> None:
        """Forward the call and record what is pushed."""
        pushed = self.pushed = StreamRecorder(stream)
        await self._call("watch", lambda: self.inner.watch(pushed))

    def _next(self, method: str) -> Fault:
        self.calls[method] += 1
        waiting = self._injected.get(method)
        return (waiting.pop(0) if waiting else self.faults(method, self.calls[method])) or _NOTHING

    async def _call(self, method: str, request: Callable[[], Awaitable[T]]) -> T:
        return await self._carry_out(method, request, self._next(method))

    async def _carry_out(self, method: str, request: Callable[[], Awaitable[T]], fault: Fault) -> T:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.refused:
            raise fault.refused.with_traceback(None)
        if fault.stale and method in self._answers:
            return cast("T", self._answers[method])
        if fault.late:
            self._late.append(asyncio.create_task(_arrive(fault.late, request)))
            raise (fault.lost or OutcomeUnknown("no answer in time")).with_traceback(None)
        answer = await request()
        self._answers[method] = answer
        if fault.answer_delay:
            await asyncio.sleep(fault.answer_delay)
        if fault.lost:
            raise fault.lost.with_traceback(None)
        return answer

    async def _positions(self) -> Known[Mapping[str, Position]]:
        known, now = await self.inner.positions(), asyncio.get_running_loop().time()
        if not self._lagging:
            return known
        self._lagging = {symbol: old for symbol, old in self._lagging.items() if old[0] > now}
        shown = {**known.value, **{symbol: old for symbol, (_, old) in self._lagging.items()}}
        return replace(known, value={symbol: held for symbol, held in shown.items() if held is not None})

    async def _place_order(self, order: OrderRequest, fault: Fault) -> OrderReport:
        if fault.lag:
            shown = (await self._positions()).value.get(order.symbol)
            self._lagging[order.symbol] = asyncio.get_running_loop().time() + fault.lag, shown
        if fault.share is None:
            return await self.inner.place_order(order)
        instrument = (await self.inner.instruments([order.symbol]))[order.symbol]
        part = instrument.round_quantity(order.quantity * fault.share)
        ended = OrderReport(
            client_order_id=order.client_order_id,
            status=OrderStatus.CANCELLED,
            filled=part,
            reason="filled in part",
        )
        if part:
            report = await self.inner.place_order(replace(order, quantity=part))
            ended = replace(ended, average_price=report.average_price, fee=report.fee)
        self._partial[order.client_order_id] = ended
        return ended


async def _arrive(delay: float, request: Callable[[], Awaitable[object]]) -> None:
    await asyncio.sleep(delay)
    with suppress(TradeEngineError):  # the caller already got its error
        await request()
