"""An exchange account that fails on purpose, at the boundary where real ones do."""

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
    """What happens to one call, in this order.

    ``delay``: seconds until the request arrives. ``refused``: raised, and nothing was executed. ``stale``: a
    read gives its previous answer again, old time included. ``share``: the part of an order that fills (0 …
    1, rounded to the step); the rest is cancelled. ``answer_delay``: seconds between execution and answer.
    ``lost``: raised instead of the answer, after the request was executed. ``late``: the request is executed
    only this many seconds after ``lost`` (or ``OutcomeUnknown``) was raised. ``lag``: seconds for which reads of
    positions do not show an executed order yet, though their time says that they are fresh.
    """

    delay: float = 0
    refused: TradeEngineError | None = None
    stale: bool = False
    share: Decimal | None = None
    answer_delay: float = 0
    lost: TradeEngineError | None = None
    late: float = 0
    lag: float = 0


_NOTHING = Fault()

Faults = Callable[[str, int], Fault | None]
"""Gives the fault of a method's n-th call (from 1), or None."""


def no_faults(method: str, call: int) -> Fault | None:
    """Let every call pass."""
    del method, call
    return None


def scripted(script: Mapping[str, Sequence[Fault | None]]) -> Faults:
    """Give each method's calls the listed faults in turn, then none."""

    def fault(method: str, call: int) -> Fault | None:
        steps = script.get(method, ())
        return steps[call - 1] if call <= len(steps) else None

    return fault


def seeded(chance: Callable[[], float], rates: Mapping[str, Sequence[tuple[float, Fault]]]) -> Faults:
    """Give each fault its own share of a method's calls; ``chance`` is ``random.Random(seed).random``."""

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
    """Passes every call on to ``inner``, except where a fault stands.

    ``faults`` may be replaced at any time; ``inject`` goes before it. ``calls`` counts by method, ``sent``
    has every order that was handed in, executed or not, ``stops_sent`` every stop, ``pushed`` what ``watch`` passed on.
    """

    def __init__(self, inner: ExchangeAccount, faults: Faults = no_faults) -> None:
        self.inner = inner
        self.faults = faults
        self.calls: Counter[str] = Counter()
        self.sent: list[OrderRequest] = []
        self.stops_sent: list[StopRequest] = []
        self.pushed = StreamRecorder()
        self._injected: dict[str, list[Fault | None]] = {}
        self._answers: dict[str, Any] = {}
        self._partial: dict[str, OrderReport] = {}
        self._late: list[asyncio.Task[None]] = []
        self._lagging: dict[str, tuple[float, Position | None]] = {}

    def inject(self, method: str, *faults: Fault | None) -> None:
        """Give the next calls of a method these faults in turn (None: let one pass)."""
        self._injected.setdefault(method, []).extend(faults)

    async def open(self) -> None:
        """Open the inner account."""
        await self._call("open", self.inner.open)

    async def close(self) -> None:
        """Close the inner account; requests that are still on their way are lost."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        await self._call("close", self.inner.close)

    async def identity(self) -> AccountIdentity | None:
        """Pass on."""
        return await self._call("identity", self.inner.identity)

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Pass on."""
        return await self._call("instruments", lambda: self.inner.instruments(symbols))

    async def equity(self) -> Known[Equity]:
        """Pass on."""
        return await self._call("equity", self.inner.equity)

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Pass on."""
        return await self._call("positions", self._positions)

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Pass on."""
        return await self._call("prices", lambda: self.inner.prices(symbols))

    async def funding(self, symbols: Sequence[str]) -> Mapping[str, FundingRate] | None:
        """Pass on."""
        return await self._call("funding", lambda: self.inner.funding(symbols))

    async def diagnose(self) -> Sequence[Finding]:
        """Pass on."""
        return await self._call("diagnose", self.inner.diagnose)

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        """Pass on."""
        await self._call("set_leverage", lambda: self.inner.set_leverage(symbol, leverage, margin_mode))

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        """Pass on."""
        await self._call("set_margin_mode", lambda: self.inner.set_margin_mode(symbol, margin_mode))

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Pass on, or a part of it."""
        self.sent.append(order)
        fault = self._next("place_order")
        return await self._carry_out("place_order", lambda: self._place_order(order, fault), fault)

    def request_budgets(self) -> Mapping[str, float]:
        """Pass on what is left of the request limits."""
        return self.inner.request_budgets()

    async def trading_terms(self, symbol: str) -> TradingTerms:
        """Pass on."""
        return await self._call("trading_terms", lambda: self.inner.trading_terms(symbol))

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Pass on; an order that was filled in part is found as it ended."""

        async def find() -> OrderReport | None:
            return self._partial.get(client_order_id) or await self.inner.find_order(symbol, client_order_id)

        return await self._call("find_order", find)

    async def order_cost(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Pass on; an order that was filled in part is found as it ended."""

        async def find() -> OrderReport | None:
            return self._partial.get(client_order_id) or await self.inner.order_cost(symbol, client_order_id)

        return await self._call("order_cost", find)

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Pass on."""
        return await self._call("cash_flows", lambda: self.inner.cash_flows(since))

    async def place_stop(self, stop: StopRequest) -> None:
        """Pass on, and remember."""
        self.stops_sent.append(stop)
        await self._call("place_stop", lambda: self.inner.place_stop(stop))

    async def cancel_stop(self, symbol: str, client_order_id: str) -> None:
        """Pass on."""
        await self._call("cancel_stop", lambda: self.inner.cancel_stop(symbol, client_order_id))

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Pass on."""
        return await self._call("find_stop", lambda: self.inner.find_stop(symbol, client_order_id))

    async def stops(self) -> Sequence[RestingStop]:
        """Pass on."""
        return await self._call("stops", self.inner.stops)

    async def watch(self, stream: AccountStream) -> None:
        """Pass on, and record."""
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
    with suppress(TradeEngineError):  # nobody is left to hear the answer
        await request()
