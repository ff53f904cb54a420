"""What plugins get wrong when they set leverage, place orders and find them again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

from te_core.api import (
    AccountContext,
    DuplicateClientOrderId,
    MarginMode,
    OrderRejected,
    OrderReport,
    OrderRequest,
    OrderStatus,
)
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.testing import PaperConnection
from tests.conformance.mistaken import Positions


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


class TakesAnOrderForATarget(PaperAccount):
    """An order is the wanted position, not the change to it."""

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
    """An order that is refused as reduce-only is sent again without the flag."""

    async def place_order(self, order: OrderRequest) -> OrderReport:
        try:
            return await super().place_order(order)
        except OrderRejected:
            if not order.reduce_only:
                raise
            return await super().place_order(replace(order, reduce_only=False))


class ClosesEverything(PaperAccount):
    """The exchange's close command is used, and it closes the whole account."""

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
    """An order from before the restart that is unknown is reported as pending."""

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        found = await PaperAccount.find_order(self, symbol, client_order_id)
        if found is None and not self.sent:
            return OrderReport(client_order_id=client_order_id, status=OrderStatus.OPEN)
        return found
