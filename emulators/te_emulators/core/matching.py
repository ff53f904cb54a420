"""Fills: an order's effect on position and wallet."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from te_emulators.core.account import Account
from te_emulators.core.admission import is_closing_only
from te_emulators.core.instrument import Instrument
from te_emulators.core.order import Execution, Order, OrderStatus
from te_emulators.core.position import Position

ZERO = Decimal(0)


def fill(
    account: Account,
    instrument: Instrument,
    order: Order,
    size: Decimal,
    price: Decimal,
    *,
    maker: bool,
    now_ms: int,
    new_id: Callable[[], int],
) -> tuple[Execution, Position]:
    """Fill ``size`` contracts of ``order`` at ``price``: first the closing part, then the opening one.

    A late fill of a reduce-only order is cut to the position at that time.
    """
    request = order.request
    position = account.take_position(instrument, request.position_side, new_id)
    sign = request.side.sign
    against = position.direction is request.side.opposite
    closing = min(size, abs(position.size)) if against else ZERO
    if is_closing_only(request):
        size = closing
    profit = position.reduce(sign * closing, price) if closing else ZERO
    if size > closing:
        _open(account, position, order, sign * (size - closing), price, now_ms)
    rate = instrument.maker_fee if maker else instrument.taker_fee
    fee = instrument.notional(size, price) * rate
    account.ledger.realised += profit
    account.ledger.fees += fee
    position.realised += profit - fee
    position.realised_ever += profit - fee
    position.updated_ms = now_ms
    order.filled += size
    order.value += instrument.notional(size, price)
    order.fee += fee
    order.profit += profit
    order.updated_ms = now_ms
    order.status = OrderStatus.FILLED if order.filled >= order.size else OrderStatus.PARTIALLY_FILLED
    execution = Execution(
        execution_id=str(new_id()),
        order_id=order.order_id,
        size=size,
        price=price,
        fee=fee,
        closed=closing,
        profit=profit,
        maker=maker,
        at_ms=now_ms,
    )
    return execution, position


def _open(
    account: Account, position: Position, order: Order, size: Decimal, price: Decimal, now_ms: int
) -> None:
    """Open a position; a late fill uses the leverage set by then, unless the order has its own."""
    mode = position.margin_mode if position.size else order.margin_mode
    leverage = order.request.leverage or account.leverage(position.symbol, position.side, mode)
    account.leverages[(position.symbol, mode, position.side)] = leverage
    if not position.size:
        position.margin_mode = mode
        position.leverage = leverage
        position.realised = ZERO
        position.opened_ms = now_ms
    position.increase(size, price, leverage)
