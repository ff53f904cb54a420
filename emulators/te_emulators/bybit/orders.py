"""Orders: create, cancel, look up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from te_emulators.bybit.market import category
from te_emulators.bybit.paging import page
from te_emulators.core import errors
from te_emulators.core.account import Account
from te_emulators.core.modes import PositionSide, Side
from te_emulators.core.order import Order, OrderRequest, OrderStatus, OrderType, TimeInForce
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import number, plain, text

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.bybit.server import BybitServer

SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
INDEXES = {0: PositionSide.NET, 1: PositionSide.LONG, 2: PositionSide.SHORT}
LINK = re.compile(r"[A-Za-z0-9_-]{1,36}")


def routes(server: BybitServer) -> list[Route]:
    """Routes of orders."""

    def create(call: Call) -> object:
        return place(server, call, call.json)

    def cancellation(call: Call) -> object:
        return cancel(server, call, call.json)

    def cancel_all(call: Call) -> object:
        """Return orders of one symbol, or of everything with a settle coin."""
        category(call.json)
        found = call.account.orders_open(str(call.json["symbol"]) if call.json.get("symbol") else None)
        for order in found:
            server.exchange.cancel(call.account, order)
        ids = [{"orderId": o.order_id, "orderLinkId": o.request.client_id or ""} for o in found]
        return {"list": ids, "success": "1"}

    def realtime(call: Call) -> object:
        """Return open orders; by id, a finished one is found for a while, too."""
        parameters = call.parameters
        orders = matching(call.account, parameters)
        if not (parameters.get("orderId") or parameters.get("orderLinkId")):
            orders = [order for order in orders if order.status.open]
        if (kind := parameters.get("orderFilter")) is not None:
            orders = [order for order in orders if order.untriggered == (kind == "StopOrder")]
        return order_page([row(order) for order in orders], parameters)

    def history(call: Call) -> object:
        parameters = call.parameters
        rows = [row(order) for order in matching(call.account, parameters) if not order.status.open]
        if wanted := parameters.get("orderStatus"):
            rows = [found for found in rows if found["orderStatus"] == wanted]
        return order_page(rows, parameters)

    return [
        Route(method="POST", path="/v5/order/create", kind="order", handler=create, permission="trade"),
        Route(
            method="POST", path="/v5/order/cancel", kind="cancel", handler=cancellation, permission="trade"
        ),
        Route(
            method="POST", path="/v5/order/cancel-all", kind="cancel", handler=cancel_all, permission="trade"
        ),
        Route(method="GET", path="/v5/order/realtime", kind="lookup", handler=realtime),
        Route(method="GET", path="/v5/order/history", kind="lookup", handler=history),
    ]


def place(server: BybitServer, call: Call, arguments: dict[str, Any]) -> dict[str, str]:
    """The acknowledgement of an order sent over HTTP or the trade stream."""
    order = server.exchange.place(call.account, order_request(arguments), call.plan)
    return {"orderId": order.order_id, "orderLinkId": order.request.client_id or ""}


def cancel(server: BybitServer, call: Call, arguments: dict[str, Any]) -> dict[str, str]:
    """The acknowledgement of a cancellation; raises OrderNotFound, OrderFinished."""
    order = find(server, call.account, arguments)
    server.exchange.cancel(call.account, order)
    return {"orderId": order.order_id, "orderLinkId": order.request.client_id or ""}


def order_request(arguments: dict[str, Any]) -> OrderRequest:
    """Parse the request; raise BadParameter."""
    if category(arguments) != "linear":
        raise errors.BadParameter("params error: only linear contracts can be traded here")
    side = SIDES.get(text(arguments, "side"))
    kind = {"Market": OrderType.MARKET, "Limit": OrderType.LIMIT}.get(text(arguments, "orderType"))
    index = number(arguments.get("positionIdx", 0), "positionIdx")
    trigger, direction = arguments.get("triggerPrice"), arguments.get("triggerDirection")
    if trigger is not None and (direction not in (1, 2) or arguments.get("triggerBy") != "MarkPrice"):
        raise errors.BadParameter("params error: triggerDirection or triggerBy invalid")
    link = arguments.get("orderLinkId") or None
    if side is None or kind is None or index not in INDEXES:
        raise errors.BadParameter("params error: side, orderType or positionIdx invalid")
    if link is not None and not LINK.fullmatch(str(link)):
        raise errors.BadClientOrderId
    size = number(arguments.get("qty"), "qty")
    reduce_only = arguments.get("reduceOnly") is True
    return OrderRequest(
        symbol=text(arguments, "symbol"),
        side=side,
        size=size,
        type=kind,
        price=number(arguments.get("price"), "price") if kind is OrderType.LIMIT else None,
        time_in_force=TimeInForce(arguments.get("timeInForce") or "GTC"),
        reduce_only=reduce_only,
        position_side=INDEXES[int(index)],
        client_id=link,
        trigger=number(trigger, "triggerPrice") if trigger is not None else None,
        rising=direction == 1,
        close_all=size == 0 and reduce_only and arguments.get("closeOnTrigger") is True,
    )


def order_page(rows: list[dict[str, Any]], parameters: dict[str, str]) -> dict[str, Any]:
    """Return at most 50 orders, by default 20."""
    shown, following = page(
        rows, parameters, usual=20, most=50, name=lambda row: f"{row['orderId']}:{row['createdTime']}"
    )
    return {
        "nextPageCursor": quote_plus(following),
        "category": category(parameters),
        "list": shown,
    }


def find(server: BybitServer, account: Account, arguments: dict[str, Any]) -> Order:
    """Find an order by orderId or orderLinkId; raises OrderNotFound."""
    order = server.exchange.find_order(
        account, order_id=arguments.get("orderId"), client_id=arguments.get("orderLinkId")
    )
    if order.request.symbol != arguments.get("symbol"):
        raise errors.OrderNotFound
    return order


def matching(account: Account, parameters: dict[str, str]) -> list[Order]:
    """Return orders that match category, ids, symbol and coin, newest first."""
    if category(parameters) != "linear":
        return []
    symbol, coin = parameters.get("symbol"), parameters.get("settleCoin")
    return [
        order
        for order in _named(account, parameters.get("orderId"), parameters.get("orderLinkId"))
        if symbol in {None, order.request.symbol} and coin in {None, order.coin}
    ]


def _named(account: Account, order_id: str | None, link: str | None) -> list[Order]:
    if not (order_id or link):
        return list(reversed(account.orders.values()))
    found = account.orders.get(order_id) if order_id else account.by_client_id.get(link or "")
    return [found] if found is not None else []


def status(order: Order) -> str:
    """Bybit's name; a cancelled order may have filled in part ("PartiallyFilledCanceled" is for spot only)."""
    if order.untriggered:
        return "Untriggered" if order.status.open else "Deactivated"
    return {
        OrderStatus.NEW: "New",
        OrderStatus.PARTIALLY_FILLED: "PartiallyFilled",
        OrderStatus.FILLED: "Filled",
        OrderStatus.CANCELLED: "Cancelled",
        OrderStatus.REJECTED: "Rejected",
    }[order.status]


UNUSED = {
    "slLimitPrice": "0",
    "takeProfit": "",
    "tpslMode": "",
    "smpType": "None",
    "blockTradeId": "",
    "isLeverage": "",
    "orderIv": "",
    "tpTriggerBy": "",
    "leavesValue": "0",
    "smpGroup": 0,
    "tpLimitPrice": "0",
    "slTriggerBy": "",
    "closeOnTrigger": False,
    "slippageToleranceType": "UNKNOWN",
    "placeType": "",
    "stopLoss": "",
    "smpOrderId": "",
    "slippageTolerance": "0",
    "extraFees": "",
}
"""Fields of an order whose features are not emulated."""


def row(order: Order) -> dict[str, Any]:
    """Return an order in the form of look-ups and the history."""
    request = order.request
    market = request.type is OrderType.MARKET
    average = order.average
    shown = request.price if request.price is not None else average
    return {
        **UNUSED,
        "symbol": request.symbol,
        "orderType": "Market" if market else "Limit",
        "orderLinkId": request.client_id or "",
        "orderId": order.order_id,
        "cancelType": "CancelByUser" if order.reason == "by the user" else "UNKNOWN",
        "avgPrice": plain(average, 8) if average is not None else "",
        "stopOrderType": "Stop" if request.trigger is not None else "",
        "lastPriceOnCreated": plain(shown, 8) if shown is not None else "",
        "orderStatus": status(order),
        "createType": "CreateByLiq" if order.liquidation else "CreateByUser",
        "cumExecValue": plain(order.value, 8),
        "triggerDirection": 0 if request.trigger is None else 1 if request.rising else 2,
        "cumFeeDetail": {order.coin: plain(order.fee, 8)},
        "rejectReason": _reject_reason(order),
        "price": plain(shown, 8) if shown is not None else "0",
        "createdTime": str(order.created_ms),
        "positionIdx": next(index for index, side in INDEXES.items() if side is request.position_side),
        "timeInForce": "IOC" if market else request.time_in_force.value,
        "updatedTime": str(order.updated_ms),
        "side": "Buy" if request.side is Side.BUY else "Sell",
        "triggerPrice": "" if request.trigger is None else plain(request.trigger, 8),
        "cumExecFee": plain(order.fee, 8),
        "leavesQty": plain(order.remaining) if order.status.open else "0",
        "cumExecQty": plain(order.filled),
        "reduceOnly": request.reduce_only,
        "qty": plain(order.size),
        "triggerBy": "" if request.trigger is None else "MarkPrice",
    }


def _reject_reason(order: Order) -> str:
    if order.status is OrderStatus.REJECTED:
        return {
            "InsufficientMargin": "EC_NoEnoughQtyToFill",
            "ReduceOnlyRejected": "EC_ReduceOnly",
        }.get(order.reason, "EC_Others")
    if order.status is OrderStatus.CANCELLED and order.request.type is OrderType.MARKET:
        return "EC_NoImmediateQtyToFill"
    return "EC_NoError"
