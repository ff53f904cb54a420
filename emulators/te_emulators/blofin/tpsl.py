"""TP/SL orders: they rest until the last price passes their trigger, and become another order then.

https://docs.blofin.com/index.html#place-tpsl-order
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from te_emulators.blofin import codes
from te_emulators.blofin.account import margin_mode_of
from te_emulators.blofin.figures import long
from te_emulators.blofin.order_rows import category
from te_emulators.blofin.orders import batch, client_id, position_side
from te_emulators.core import errors
from te_emulators.core.account import Account
from te_emulators.core.modes import Side
from te_emulators.core.order import Order, OrderRequest
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import number, plain

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.blofin.server import BlofinServer

Answer = Callable[["BlofinServer", Call], object]
ZERO = Decimal(0)
MARKET = "-1"
"""The order price that means a market order, the only one that is accepted here."""


def routes(server: BlofinServer) -> list[Route]:
    """Routes of TP/SL orders."""
    found: list[tuple[str, str, str, Answer]] = [
        ("POST", "order-tpsl", "order", place),
        ("POST", "cancel-tpsl", "cancel", cancel),
        ("GET", "order-tpsl-detail", "lookup", detail),
        ("GET", "orders-tpsl-pending", "lookup", pending),
        ("GET", "orders-tpsl-history", "lookup", history),
    ]
    return [
        Route(
            method=method,
            path=f"/api/v1/trade/{path}",
            kind=kind,
            handler=partial(answer, server),
            permission="trade" if method == "POST" else "read",
        )
        for method, path, kind, answer in found
    ]


def place(server: BlofinServer, call: Call) -> dict[str, Any]:
    """Place one level; the other one of a pair is an order of its own."""
    body = call.json
    server.check_broker(call, body)
    for name in ("instId", "marginMode", "side", "size"):
        if body.get(name) in {None, ""}:
            raise codes.empty(name)
    kinds = [kind for kind in ("sl", "tp") if body.get(f"{kind}TriggerPrice")]
    if not kinds:
        raise codes.either("tpTriggerPrice", "slTriggerPrice")
    kind = kinds[0]
    if len(kinds) > 1 or body.get(f"{kind}OrderPrice") != MARKET or body.get("reduceOnly") != "true":
        raise codes.wrong(f"{kind}OrderPrice")  # other fields are not needed
    if body["side"] not in {"buy", "sell"}:
        raise codes.wrong("side")
    side = Side(str(body["side"]))
    request = OrderRequest(
        symbol=server.exchange.market.instrument(str(body["instId"])).symbol,
        side=side,
        size=number(body["size"], "size"),
        reduce_only=True,
        position_side=position_side(server, body),
        client_id=client_id(body),
        margin_mode=margin_mode_of(body),
        trigger=number(body[f"{kind}TriggerPrice"], f"{kind}TriggerPrice"),
        rising=(side is Side.BUY) == (kind == "sl"),
    )
    try:
        order = server.exchange.place(call.account, request)
    except errors.TriggerPassed:
        raise codes.trigger_passed(kind, rising=request.rising) from None
    return {"tpslId": order.order_id, "clientOrderId": None, "code": "0", "msg": None}


def cancel(server: BlofinServer, call: Call) -> object:
    """Cancel those named by either id; the item of each that does not rest says so, and the response is a success."""
    return [_cancelled(server, call.account, item) for item in batch(call)]


def _cancelled(server: BlofinServer, account: Account, item: dict[str, Any]) -> dict[str, Any]:
    said = {"tpslId": item.get("tpslId") or "", "clientOrderId": item.get("clientOrderId"), "msg": None}
    try:
        order = found(server, account, item)
        if not order.untriggered:
            raise errors.OrderFinished
        server.exchange.cancel(account, order)
    except (errors.OrderNotFound, errors.OrderFinished):
        text = "Cancel failed as the order has been filled, triggered, canceled or does not exist."
        return {**said, "code": "500", "msg": text}
    return {**said, "code": "0"}


def found(server: BlofinServer, account: Account, named: dict[str, Any]) -> Order:
    """Find an existing or former one, by either id."""
    own, other = named.get("tpslId") or None, named.get("clientOrderId") or None
    if not own and not other:
        raise codes.either("tpslId", "clientOrderId")
    order = server.exchange.find_order(account, order_id=own, client_id=other)
    if order.request.trigger is None or named.get("instId") not in {None, "", order.request.symbol}:
        raise errors.OrderNotFound
    return order


def detail(server: BlofinServer, call: Call) -> object:
    """One in any state."""
    if not call.parameters.get("instId"):
        raise codes.empty("instId")
    try:
        return row(found(server, call.account, call.parameters))
    except errors.OrderNotFound:
        if server.unknowns.missing_order == "refused":
            raise
        return None if server.unknowns.missing_order == "null" else {}


def pending(server: BlofinServer, call: Call) -> object:
    """Return resting ones, newest first."""
    return _listed(server, call, resting=True)


def history(server: BlofinServer, call: Call) -> object:
    """Return those that no longer rest, newest first."""
    return _listed(server, call, resting=False)


def _listed(server: BlofinServer, call: Call, *, resting: bool) -> object:
    asked, limit = call.parameters, call.parameters.get("limit", "20")
    if not limit.isdigit() or not 1 <= int(limit) <= 100:
        raise codes.wrong("limit")
    rows = [
        row(order)
        for order in reversed(call.account.orders.values())
        if order.request.trigger is not None
        and (order.untriggered and order.status.open) == resting
        and asked.get("instId") in {None, "", order.request.symbol}
        and asked.get("clientOrderId") in {None, "", order.request.client_id}
        and (not asked.get("after") or int(order.order_id) < int(asked["after"]))
    ]
    return rows[: int(limit)]


def state(order: Order) -> str:
    """BloFin's name."""
    if order.untriggered:
        return "live" if order.status.open else "canceled"
    return "effective" if order.filled or order.status.open else "order_failed"


def row(order: Order) -> dict[str, Any]:
    """Return the row of a read."""
    request, kind = order.request, category(order)
    levels = {
        f"{one}{name}": (value if one == kind else None)
        for one in ("tp", "sl")
        for name, value in (("TriggerPrice", long(request.trigger or ZERO)), ("OrderPrice", MARKET))
    }
    return {
        "tpslId": order.order_id,
        "clientOrderId": request.client_id or "",
        "instId": request.symbol,
        "marginMode": order.margin_mode.value,
        "positionSide": request.position_side.value,
        "side": request.side.value,
        **levels,
        "size": plain(order.size),
        "state": state(order),
        "leverage": plain(order.leverage),
        "reduceOnly": "true" if request.reduce_only else "false",
        "actualSize": plain(order.size) if state(order) == "effective" else None,
        "createTime": str(order.created_ms),
        "brokerId": "",
    }
