"""Notifications about orders and positions. The journal stores these in their own tables, not as events."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from te_core.model.event import Event
from te_core.model.money import Fill
from te_core.model.order import Intent, Side

_DONE = {Side.BUY: "bought", Side.SELL: "sold"}


def filled(account: str, fill: Fill) -> Event:
    """Return the notification of a fill, with price and fee as far as the exchange reported them."""
    price = f" at {_plain(fill.price)}" if fill.price is not None else " (price not reported by the exchange)"
    fee = f", fee {_plain(fill.fee)} {fill.fee_currency}".rstrip() if fill.fee is not None else ""
    won = f", realised {_plain(fill.realised, sign='+')}" if fill.realised else ""
    return Event(
        at=fill.at,
        kind="filled",
        text=f"{_DONE[fill.side]} {_plain(fill.quantity)}{price}{fee}{won}",
        account=account,
        symbol=fill.symbol,
        detail={
            "client_order_id": fill.client_order_id,
            "side": str(fill.side),
            "quantity": fill.quantity,
            "price": fill.price,
            "fee": fill.fee,
            "fee_currency": fill.fee_currency,
            "realised": fill.realised,
        },
    )


def refused(account: str, intent: Intent, reason: str, at: datetime) -> Event:
    """Return the notification that the exchange refused an order."""
    order = f"{intent.side} {_plain(intent.quantity)}{' reduce-only' if intent.reduce_only else ''}"
    return Event(
        at=at,
        kind="refused",
        text=f"the exchange refused to {order}: {reason or 'no reason given'}; see te explain {intent.symbol}",
        account=account,
        symbol=intent.symbol,
        detail={"client_order_id": intent.client_order_id},
    )


def position_changed(
    account: str, symbol: str, before: Decimal | None, after: Decimal, at: datetime
) -> Event:
    """Return the notification of a position's new size. ``before``: None if it is unknown."""
    was = f" (was {_size(before)})" if before is not None else ""
    return Event(
        at=at,
        kind="position_changed",
        text=f"{_size(after)}{was}",
        account=account,
        symbol=symbol,
        detail={"before": before, "after": after},
    )


def _size(quantity: Decimal) -> str:
    if not quantity:
        return "flat"
    return f"{'long' if quantity > 0 else 'short'} {_plain(abs(quantity))}"


def _plain(value: Decimal, *, sign: str = "") -> str:
    """Format a number without exponent and without trailing zeros."""
    return f"{value.normalize():{sign}f}"
