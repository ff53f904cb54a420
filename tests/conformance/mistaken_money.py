"""What plugins get wrong with prices, fees and payments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any

from te_core.api import AccountContext, CashFlow, OrderReport, OrderRequest
from te_exchange_paper.account import PaperAccount


class TellsThePriceThatWasAskedFor(PaperAccount):
    """A value near the reference price is reported as the fill price."""

    async def place_order(self, order: OrderRequest) -> OrderReport:
        report = await PaperAccount.place_order(self, order)
        return replace(report, average_price=order.reference_price * Decimal("1.01"))


class ReceivesItsFees(PaperAccount):
    async def place_order(self, order: OrderRequest) -> OrderReport:
        report = await PaperAccount.place_order(self, order)
        return replace(report, fee=-report.fee if report.fee is not None else None)


class ReceivesWhatItPays(PaperAccount):
    """A payment has the exchange's sign, not the account's."""

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        return [replace(flow, amount=-flow.amount) for flow in await PaperAccount.cash_flows(self, since)]


class NumbersItsPaymentsAnew(PaperAccount):
    def __init__(self, context: AccountContext[Any]) -> None:
        super().__init__(context)
        self.numbers = count(1)

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        found = await PaperAccount.cash_flows(self, since)
        return [replace(flow, key=str(next(self.numbers))) for flow in found]
