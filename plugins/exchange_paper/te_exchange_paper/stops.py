"""Stop orders of a paper account: they rest in its file, and are filled at the price that passes their trigger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from te_core.api import OrderReport, OrderStatus, Side, StopKind, StopRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperStop:
    """One stop order."""

    client_order_id: str
    symbol: str
    kind: StopKind
    side: Side
    quantity: Decimal
    trigger: Decimal
    ended: str = ""
    """Why it no longer rests; empty while it rests."""

    @classmethod
    def of(cls, request: StopRequest) -> PaperStop:
        """Return the stop that a request asks for."""
        return cls(
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            kind=request.kind,
            side=request.side,
            quantity=request.quantity,
            trigger=request.trigger,
        )

    def passed(self, price: Decimal) -> bool:
        """Return whether a price triggers it."""
        rising = (self.side is Side.BUY) == (self.kind is StopKind.LOSS)
        return price >= self.trigger if rising else price <= self.trigger

    def report(self) -> OrderReport:
        """Return the report of a stop that was not filled."""
        return OrderReport(
            client_order_id=self.client_order_id,
            status=OrderStatus.CANCELLED if self.ended else OrderStatus.OPEN,
            filled=Decimal(0),
            reason=self.ended,
        )


def triggered(stops: Iterable[PaperStop], prices: Mapping[str, Decimal]) -> list[PaperStop]:
    """Return the stops that those prices trigger, losses first."""
    found = [
        stop
        for stop in stops
        if not stop.ended and (price := prices.get(stop.symbol)) is not None and stop.passed(price)
    ]
    return sorted(found, key=lambda stop: stop.kind is StopKind.PROFIT)
