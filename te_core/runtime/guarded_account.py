"""An exchange account whose calls are contained: nothing that a plugin must not raise or return reaches the core."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TypeVar

from te_core.accounts.dispatch import check_dispatch, check_sending
from te_core.clock import Clock
from te_core.contracts.exchange import (
    AccountIdentity,
    AccountStream,
    ExchangeAccount,
    Feed,
    Finding,
    TradingTerms,
)
from te_core.errors import NotReady, OutcomeUnknown, PluginDefect, defined_at
from te_core.model.funding import FundingRate
from te_core.model.instrument import Instrument
from te_core.model.money import CashFlow
from te_core.model.order import OrderReport, OrderRequest, RestingStop, StopRequest
from te_core.model.position import Equity, MarginMode, Position
from te_core.model.reading import Known
from te_core.runtime import result_checks as check
from te_core.runtime.guard import Apart, attempt, within
from te_core.secrets import Redact

T = TypeVar("T")

FUNDING_TIMEOUT = 60.0
"""Seconds that ``funding`` may take."""
SILENCE = 30.0
"""Seconds without a sign of life after which a stream that is said to be up is given up: several ping intervals."""


class GuardedAccount(ExchangeAccount):
    """Passes every call on to ``inner``. Raises `PluginDefect` for a stray cancellation, an exit or a wrong type.

    Texts of an exchange are redacted here, where they enter: in errors, findings and reports. No request that changes
    something is sent while ``observing`` returns a reason: every such request passes here (I14).
    """

    def __init__(
        self,
        inner: ExchangeAccount,
        redact: Redact = str,
        observing: Callable[[], str] = str,
        *,
        clock: Clock | None = None,
        observe: Callable[[str, str, float], None] | None = None,
    ) -> None:
        """``observe`` is called for each request with its method, its result, and its duration in seconds."""
        self.inner = inner
        self._redact = redact
        self._observing = observing
        self._clock = clock
        self._observe = observe
        self._apart = Apart(redact)

    async def _ask(self, what: str, method: Callable[..., Awaitable[T]], *given: object) -> T:
        """Call a method that changes nothing."""
        return await self._observed(what, self._apart.call(what, partial(method, *given)))

    async def _call(self, what: str, method: Callable[..., Awaitable[T]], *given: object) -> T:
        """Call a method that changes something. Halts and age are checked again in its own task (I14)."""

        def checked_work() -> Awaitable[T]:
            check_dispatch()
            check_sending(self._observing)
            return method(*given)

        return await self._observed(what, self._apart.call(what, checked_work))

    async def _observed(self, what: str, calling: Awaitable[T]) -> T:
        if self._clock is None or self._observe is None:
            return await calling
        began, result = self._clock.monotonic(), "cancelled"
        try:
            answer = await calling
            result = "ok"
        except Exception as error:
            result = type(error).__name__
            raise
        finally:
            self._observe(what.removesuffix("()"), result, self._clock.monotonic() - began)
        return answer

    async def open(self) -> None:
        """Connect."""
        await self._ask("open()", self.inner.open)

    async def close(self) -> None:
        """Release connections."""
        await self._ask("close()", self.inner.close)

    async def identity(self) -> AccountIdentity | None:
        """Return the identity of this account."""
        answer = await self._ask("identity()", self.inner.identity)
        return checked(check.identity, answer, self.inner.identity)

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Return the instruments of those symbols that the exchange lists."""
        answer = await self._ask("instruments()", self.inner.instruments, symbols)
        return checked(check.instruments, answer, self.inner.instruments)

    async def equity(self) -> Known[Equity]:
        """Return the account's value."""
        answer = await self._ask("equity()", self.inner.equity)
        return checked(check.equity, answer, self.inner.equity)

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Return every position."""
        answer = await self._ask("positions()", self.inner.positions)
        return checked(check.positions, answer, self.inner.positions)

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Return current prices."""
        answer = await self._ask("prices()", self.inner.prices, symbols)
        return checked(check.prices, answer, self.inner.prices)

    async def funding(self, symbols: Sequence[str]) -> Mapping[str, FundingRate] | None:
        """Return the announced rates of the next funding."""
        # Read in the background, where errors are not handled: each of them counts as a failed read.
        asked = partial(self._ask, "funding()", self.inner.funding, symbols)
        answer = await within(FUNDING_TIMEOUT, "funding()", asked)
        return checked(check.funding, answer, self.inner.funding)

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        """Set a symbol's leverage."""
        await self._call("set_leverage()", self.inner.set_leverage, symbol, leverage, margin_mode)

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        """Set a symbol's margin mode."""
        await self._call("set_margin_mode()", self.inner.set_margin_mode, symbol, margin_mode)

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Send one order."""
        return self._report("place_order()", await self._call("place_order()", self.inner.place_order, order))

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return the report of an order, or None if the exchange does not know it."""
        found = await self._ask("find_order()", self.inner.find_order, symbol, client_order_id)
        return None if found is None else self._report("find_order()", found)

    async def order_cost(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return what an order cost."""
        found = await self._ask("order_cost()", self.inner.order_cost, symbol, client_order_id)
        return None if found is None else self._report("order_cost()", found)

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Return payments without an order."""
        answer = await self._ask("cash_flows()", self.inner.cash_flows, since)
        return checked(check.cash_flows, answer, self.inner.cash_flows)

    def request_budgets(self) -> Mapping[str, float]:
        """Return what is left of the plugin's request limits; empty if its answer is unusable."""
        return check.budgets(attempt(self.inner.request_budgets))

    def _report(self, method: str, answer: object) -> OrderReport:
        called = getattr(self.inner, method.removesuffix("()"))
        report = checked(partial(check.report, method), answer, called)
        return replace(report, reason=self._redact(report.reason)) if report.reason else report

    async def trading_terms(self, symbol: str) -> TradingTerms:
        """Return the fee and spread that an order would cost."""
        answer = await self._ask("trading_terms()", self.inner.trading_terms, symbol)
        return checked(check.terms, answer, self.inner.trading_terms)

    async def place_stop(self, stop: StopRequest) -> None:
        """Place a stop order."""
        await self._call("place_stop()", self.inner.place_stop, stop)

    async def cancel_stop(self, symbol: str, client_order_id: str) -> None:
        """Cancel a stop order."""
        await self._call("cancel_stop()", self.inner.cancel_stop, symbol, client_order_id)

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return the report of a stop order, or None if the exchange does not know it."""
        found = await self._ask("find_stop()", self.inner.find_stop, symbol, client_order_id)
        return None if found is None else self._report("find_stop()", found)

    async def stops(self) -> Sequence[RestingStop]:
        """Return every resting stop order."""
        answer = await self._ask("stops()", self.inner.stops)
        return checked(check.stops, answer, self.inner.stops)

    async def diagnose(self) -> Sequence[Finding]:
        """Return findings that only this exchange can report."""
        answer = await self._ask("diagnose()", self.inner.diagnose)
        found = checked(check.findings, answer, self.inner.diagnose)
        return [replace(one, text=self._redact(one.text), remedy=self._redact(one.remedy)) for one in found]

    async def watch(self, stream: AccountStream, up: Callable[[], None] = lambda: None) -> None:
        """Forward what the exchange pushes to ``stream``. ``up``: called when the first feed is up.

        Raises `NotReady` if feeds are said to be up and show no sign of life for ``SILENCE`` seconds. Whatever ends it,
        no feed is up afterwards.
        """
        loop, guarded = asyncio.get_running_loop(), GuardedStream(stream)
        try:
            async with asyncio.timeout(None) as silence:

                def heard(live: Collection[Feed]) -> None:
                    if not silence.expired():
                        silence.reschedule(loop.time() + SILENCE if live else None)

                guarded.heard, guarded.first_up = heard, up
                await self._apart.call("watch()", partial(self.inner.watch, guarded))
        except TimeoutError:
            if not silence.expired():
                raise
            raise NotReady(
                f"watch() reported {', '.join(sorted(guarded.live))} as up, and nothing came for {SILENCE:g} s"
            ) from None
        finally:
            guarded.close()


def checked(check: Callable[[object], T], answer: object, method: object) -> T:
    """Check what a method returned; report a wrong result with the line where the method is defined."""
    try:
        return check(answer)
    except NotReady as error:
        raise NotReady(error.reason + defined_at(method)) from None
    except OutcomeUnknown as error:
        raise PluginDefect(str(error) + defined_at(method)) from None


class GuardedStream(AccountStream):
    """Passes pushes on to ``inner`` until it is closed. Raises `NotReady` for values that the contract does not allow.

    ``heard`` is called at each sign of life, with the feeds that are up.
    """

    def __init__(self, inner: AccountStream) -> None:
        self._inner = inner
        self._closed = False
        self.live: set[Feed] = set()
        """The feeds that are up."""
        self.heard: Callable[[Collection[Feed]], None] = lambda _: None
        self.first_up: Callable[[], None] | None = None
        """Called once, when the first feed is up."""

    def close(self) -> None:
        """Report what is still up as down, and refuse everything from now on: a call that was abandoned may go on."""
        self.heard = lambda _: None
        if self.live:
            self.down(*self.live)
        self._closed = True

    def _to(self) -> AccountStream:
        if self._closed:
            raise NotReady("watch() was ended: this stream is closed")
        return self._inner

    def up(self, *feeds: Feed) -> None:
        """Forward that these feeds are up."""
        self._to().up(*feeds)
        self.live.update(feeds)
        self.heard(self.live)
        if self.live and self.first_up is not None:
            self.first_up()
            self.first_up = None

    def alive(self, *feeds: Feed) -> None:
        """Forward that the connection of these feeds is alive."""
        self._to().alive(*feeds)
        self.heard(self.live)

    def down(self, *feeds: Feed) -> None:
        """Forward that these feeds are down."""
        self._to().down(*feeds)
        self.live.difference_update(feeds)
        self.heard(self.live)

    def changed(self) -> None:
        """Forward that something changed."""
        self._to().changed()

    def position(self, position: Position) -> None:
        """Check and forward a pushed position."""
        self._to().position(check.pushed_position(position))

    def equity(self, equity: Equity) -> None:
        """Check and forward a pushed account value."""
        self._to().equity(check.pushed_equity(equity))

    def price(self, symbol: str, price: Decimal) -> None:
        """Check and forward a pushed price."""
        self._to().price(symbol, check.pushed_price(symbol, price))

    def order(self, client_order_id: str, symbol: str) -> None:
        """Forward that an order changed."""
        self._to().order(str(client_order_id), str(symbol))
