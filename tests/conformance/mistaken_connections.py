"""What plugins get wrong with errors, who an account is, and how a connection starts, lasts and ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any, ClassVar

from te_core.api import (
    AccountContext,
    AccountIdentity,
    AuthError,
    ConfigError,
    Equity,
    Finding,
    InsufficientMargin,
    Known,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    OutcomeUnknown,
    RateLimited,
    Severity,
    TradeEngineError,
)
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.testing import PaperConnection


class NumbersItsConnections(PaperAccount):
    """The session's id is used as the account's."""

    sessions = count(1)

    async def open(self) -> None:
        await super().open()
        self.session = next(self.sessions)

    async def identity(self) -> AccountIdentity:
        return replace(await super().identity(), uid=str(self.session))


class _Mistranslates(PaperConnection):
    """Raises another error than the contract asks for, if ``code`` is in the text of the right one."""

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


class DiagnosesByTrading(PaperAccount):
    """An order is sent to find out whether the key may trade."""

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


class OutlivesItsCancellation(PaperConnection):
    """A cancelled request counts as a failed one."""

    async def equity(self) -> Known[Equity]:
        try:
            return await super().equity()
        except asyncio.CancelledError:
            raise NotReady("no answer") from None


class LeavesATaskBehind(PaperAccount):
    """The keep-alive task continues after the account is closed."""

    background: ClassVar[set[asyncio.Task[None]]] = set()

    async def open(self) -> None:
        await super().open()
        self.background.add(asyncio.create_task(asyncio.sleep(1e6)))


class CountsBudgetsInRequests(PaperAccount):
    def request_budgets(self) -> Mapping[str, float]:
        return {"orders": 40}
