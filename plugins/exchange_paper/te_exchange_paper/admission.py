"""Check which orders an exchange accepts: step, minimums, largest order, reduce-only. Pure."""

from __future__ import annotations

from decimal import Decimal

from te_core.api import Instrument, OrderRejected, OrderRequest
from te_exchange_paper.holding import Holding


def admitted(order: OrderRequest, holding: Holding, instrument: Instrument, price: Decimal) -> Decimal:
    """Return the signed quantity that the order will fill, in base units.

    A reduce-only order is cut to the position, has no minimum notional, and may close a position of any size. Raises
    ``OrderRejected`` whose code names the rule.
    """
    if not order.quantity.is_finite() or order.quantity <= 0:
        raise _refused(order, f"quantity {order.quantity} is not above zero", "quantity")
    quantity = _reducing(order, holding) if order.reduce_only else order.quantity
    if not (order.reduce_only and quantity == abs(holding.quantity)):
        _check_size(order, quantity, instrument)
    notional = quantity * price
    if not order.reduce_only and notional < instrument.minimum_notional:
        raise _refused(
            order,
            f"value {notional:f} is below the minimum of {instrument.minimum_notional:f}",
            "minimum_notional",
        )
    largest = instrument.largest_market_quantity
    if largest is not None and quantity > largest:
        raise _refused(
            order, f"quantity {quantity:f} is above the largest, {largest:f}", "largest_market_quantity"
        )
    return quantity * order.side.sign


def _reducing(order: OrderRequest, holding: Holding) -> Decimal:
    reducible = holding.closing_part(order.quantity * order.side.sign)
    if not reducible:
        held = f"the position is {holding.quantity:f}" if holding.quantity else "there is no position"
        raise _refused(order, f"a reduce-only {order.side} has nothing to reduce: {held}", "reduce_only")
    return reducible


def _check_size(order: OrderRequest, quantity: Decimal, instrument: Instrument) -> None:
    if quantity < instrument.minimum_quantity:
        raise _refused(
            order,
            f"quantity {quantity:f} is below the minimum of {instrument.minimum_quantity:f}",
            "minimum_quantity",
        )
    if quantity % instrument.quantity_step:
        raise _refused(
            order, f"quantity {quantity:f} is not a multiple of {instrument.quantity_step:f}", "quantity_step"
        )


def _refused(order: OrderRequest, reason: str, code: str) -> OrderRejected:
    return OrderRejected(f"{order.symbol}: {reason}", code=code)
