"""Orders in the form of look-ups, the history and streams."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from te_emulators.blofin.codes import wrong
from te_emulators.blofin.figures import long
from te_emulators.core.modes import Side
from te_emulators.core.order import Order, OrderStatus, OrderType, TimeInForce
from te_emulators.wire.figures import plain

ZERO = Decimal(0)
CHILD = "9"
"""Prefix of the ids of orders that TP/SL orders became."""
TYPES = {TimeInForce.POST_ONLY: "post_only", TimeInForce.FOK: "fok", TimeInForce.IOC: "ioc"}
STATES = {
    OrderStatus.NEW: "live",
    OrderStatus.PARTIALLY_FILLED: "partially_filled",
    OrderStatus.FILLED: "filled",
    OrderStatus.CANCELLED: "canceled",
    OrderStatus.REJECTED: "canceled",
}


def state(order: Order) -> str:
    """Return BloFin's name of the state; a cancelled order keeps its filled quantity."""
    if order.status is OrderStatus.CANCELLED and order.filled:
        return "partially_canceled"
    return STATES[order.status]


def kind(order: Order) -> str:
    """Return BloFin's order type, which combines type and time-in-force."""
    request = order.request
    return "market" if request.type is OrderType.MARKET else TYPES.get(request.time_in_force, "limit")


def order_id(order: Order) -> str:
    """Return the order's id at BloFin; the order that a TP/SL order became has one of its own."""
    return order.order_id if order.request.trigger is None else f"{CHILD}{order.order_id}"


def failed(order: Order) -> bool:
    """Return whether it is a TP/SL order that was triggered without becoming an order."""
    return order.request.trigger is not None and not order.filled and not order.status.open


def category(order: Order) -> str:
    """Return the reason for an order."""
    if order.liquidation:
        return "full_liquidation"
    request = order.request
    if request.trigger is None:
        return "normal"
    return "sl" if (request.side is Side.BUY) == request.rising else "tp"


def row(order: Order, *, pending: bool = False, named: bool = True) -> dict[str, Any]:
    """Return the row of a read; ``pending`` for open orders and order-detail, which differ from the history.

    ``named``: whether the order that a TP/SL order became names its origin.
    """
    request, why = order.request, category(order)
    child = request.trigger is not None
    trigger = long(request.trigger or ZERO) if child else None
    if pending:
        only: dict[str, Any] = {"filled_amount": long(order.filled * order.contract_size)}
    else:
        only = {"cancelSource": source(order), "cancelSourceReason": order.reason or None}
    return {
        "orderId": order_id(order),
        "clientOrderId": "" if child else request.client_id or "",
        "instId": request.symbol,
        "marginMode": order.margin_mode.value,
        "positionSide": request.position_side.value,
        "side": request.side.value,
        "orderType": kind(order),
        "price": long(request.price or ZERO),
        "size": long(order.size),
        "reduceOnly": "true" if request.reduce_only else "false",
        "leverage": plain(order.leverage),
        "state": state(order),
        "filledSize": long(order.filled),
        "pnl": long(order.profit),
        "averagePrice": long(order.average or ZERO),
        "fee": long(order.fee),
        "createTime": str(order.created_ms),
        "updateTime": str(order.updated_ms),
        "orderCategory": why,
        "tpTriggerPrice": trigger if why == "tp" else None,
        "tpOrderPrice": None,
        "slTriggerPrice": trigger if why == "sl" else None,
        "slOrderPrice": None,
        "algoClientOrderId": request.client_id or "" if child and named else "",
        "algoId": order.order_id if child and named else "",
        "brokerId": "",
        **only,
    }


def pushed_row(order: Order) -> dict[str, Any]:
    """Return the row that a stream pushes."""
    read = row(order)
    return {
        "instType": "SWAP",
        **{name: value for name, value in read.items() if not name.startswith(("algo", "cancelSourceR"))},
        "clientOrderId": None if order.request.trigger is not None else order.request.client_id,
        "size": plain(order.size),
        "filledSize": plain(order.filled),
        "filledAmount": long(order.filled * order.contract_size),
        "cancelSource": "" if order.status.open else read["cancelSource"],
        "tpTriggerPriceType": None,
        "slTriggerPriceType": None,
    }


def fill_row(order: Order) -> dict[str, str]:
    """Return everything that an order filled."""
    return {
        "instId": order.request.symbol,
        "tradeId": order_id(order),
        "orderId": order_id(order),
        "fillPrice": long(order.average or ZERO),
        "fillSize": long(order.filled),
        "fillPnl": long(order.profit),
        "positionSide": order.request.position_side.value,
        "side": order.request.side.value,
        "fee": long(order.fee),
        "ts": str(order.updated_ms),
        "brokerId": "",
    }


def source(order: Order) -> str:
    """Return who cancelled it."""
    if order.status not in {OrderStatus.CANCELLED, OrderStatus.REJECTED}:
        return "not_canceled"
    return "user_canceled" if order.reason == "by the user" else "system_canceled"


def pages(orders: Iterable[Order], parameters: dict[str, str]) -> list[Order]:
    """Return the requested orders, newest first, at most ``limit`` (default 20, up to 100)."""
    limit = parameters.get("limit", "20")
    if not limit.isdigit() or not 1 <= int(limit) <= 100:
        raise wrong("limit")
    found = [order for order in orders if _fits(order, parameters)]
    return found[: int(limit)]


def _fits(order: Order, parameters: dict[str, str]) -> bool:
    after, before = parameters.get("after"), parameters.get("before")
    begin, end = parameters.get("begin"), parameters.get("end")
    return (
        parameters.get("instId") in {None, "", order.request.symbol}
        and parameters.get("orderType") in {None, "", kind(order)}
        and parameters.get("state") in {None, "", state(order)}
        and (not after or int(order_id(order)) < int(after))
        and (not before or int(order_id(order)) > int(before))
        and (not begin or order.created_ms >= int(begin))
        and (not end or order.created_ms <= int(end))
    )
