"""Orders: place, cancel, close, look up."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from te_emulators.blofin import codes
from te_emulators.blofin.account import margin_mode_of
from te_emulators.blofin.order_rows import CHILD, failed, fill_row, pages, row
from te_emulators.core import errors
from te_emulators.core.account import Account
from te_emulators.core.modes import PositionMode, PositionSide, Side
from te_emulators.core.order import Order, OrderRequest, OrderType, TimeInForce
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import number

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.blofin.server import BlofinServer

Answer = Callable[["BlofinServer", Call], object]
CLIENT_ID = re.compile(r"[A-Za-z0-9_]{1,32}")
TYPES = {
    "market": (OrderType.MARKET, TimeInForce.GTC),
    "limit": (OrderType.LIMIT, TimeInForce.GTC),
    "post_only": (OrderType.LIMIT, TimeInForce.POST_ONLY),
    "fok": (OrderType.LIMIT, TimeInForce.FOK),
    "ioc": (OrderType.LIMIT, TimeInForce.IOC),
}
BATCH = 20


def routes(server: BlofinServer) -> list[Route]:
    """Routes of orders."""
    writes: list[tuple[str, str, Answer]] = [
        ("order", "order", lambda server, call: [place(server, call, call.json)]),
        ("batch-orders", "order", lambda server, call: [place(server, call, item) for item in batch(call)]),
        ("close-position", "order", close_position),
        ("cancel-order", "cancel", cancel),
        ("cancel-batch-orders", "cancel", cancel_batch),
    ]
    reads: list[tuple[str, Answer]] = [
        ("order-detail", order_detail),
        ("orders-pending", pending),
        ("orders-history", history),
        ("fills-history", fills),
    ]
    return [
        *(
            Route(
                method="POST",
                path=f"/api/v1/trade/{path}",
                kind=kind,
                handler=partial(answer, server),
                permission="trade",
            )
            for path, kind, answer in writes
        ),
        *(
            Route(method="GET", path=f"/api/v1/trade/{path}", kind="lookup", handler=partial(answer, server))
            for path, answer in reads
        ),
    ]


def cancel(server: BlofinServer, call: Call) -> object:
    """One order."""
    done = cancel_order(server, call.account, call.json)
    return [done] if server.unknowns.cancel_as_list else done


def cancel_batch(server: BlofinServer, call: Call) -> object:
    """Several orders."""
    return [cancel_order(server, call.account, item) for item in batch(call)]


def pending(server: BlofinServer, call: Call) -> object:
    """Open orders, newest first."""
    found = list(reversed(call.account.orders_open()))
    named = server.unknowns.children_named
    return [row(order, pending=True, named=named) for order in pages(found, call.parameters)]


def history(server: BlofinServer, call: Call) -> object:
    """Return finished orders, newest first; a stop is one of them once it was triggered."""
    done = [
        order
        for order in reversed(call.account.orders.values())
        if not order.status.open
        and not order.untriggered
        and not failed(order)
        and (server.unknowns.children_shown or order.request.trigger is None)
    ]
    return [row(order, named=server.unknowns.children_named) for order in pages(done, call.parameters)]


def batch(call: Call) -> list[dict[str, Any]]:
    """Carry out the items of a batch; a failing one fails the rest, which the real exchange does not document."""
    items = call.content
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise codes.CodedError(
            "152004", "JSON syntax error, Please check if the parameter should be an array or an object."
        )
    if len(items) > BATCH:
        raise codes.CodedError("152006", "Batch orders can be placed for up to 20 at once.")
    return items


def place(server: BlofinServer, call: Call, body: dict[str, Any]) -> dict[str, Any]:
    """The acknowledgement of an order."""
    server.check_broker(call, body)
    if call.account.name in server.copy_traders:
        raise errors.InsufficientMargin
    request = order_request(server, call.account, body)
    order = server.exchange.place(call.account, request, call.plan)
    return acknowledged(order, "success")


def acknowledged(order: Order, text: str | None) -> dict[str, Any]:
    """One item of an answer."""
    return {
        "orderId": order.order_id,
        "clientOrderId": order.request.client_id or "",
        "msg": text,
        "code": "0",
    }


def order_request(server: BlofinServer, account: Account, body: dict[str, Any]) -> OrderRequest:
    """Parse the request; raise the error for what is missing or invalid."""
    for name in ("instId", "marginMode", "side", "orderType", "size"):
        if body.get(name) in {None, ""}:
            raise codes.empty(name)
    instrument = server.exchange.market.instrument(str(body["instId"]))
    if body["side"] not in {"buy", "sell"} or body["orderType"] not in TYPES:
        raise codes.wrong("side" if body["side"] not in {"buy", "sell"} else "orderType")
    kind, force = TYPES[str(body["orderType"])]
    size = number(body["size"], "size")
    if kind is OrderType.LIMIT and size > instrument.max_limit_size:
        raise codes.limit_too_large()
    mode = margin_mode_of(body)
    if server.unknowns.margin_mode_must_match and mode is not account.default_margin_mode:
        raise errors.MarginModeMismatch
    return OrderRequest(
        symbol=instrument.symbol,
        side=Side(str(body["side"])),
        size=size,
        type=kind,
        price=number(body.get("price"), "price") if kind is OrderType.LIMIT else None,
        time_in_force=force,
        reduce_only=body.get("reduceOnly") in {"true", True},
        position_side=position_side(server, body),
        client_id=client_id(body),
        margin_mode=mode,
    )


def position_side(server: BlofinServer, body: dict[str, Any]) -> PositionSide:
    """Return the position side; net unless stated."""
    side = body.get("positionSide")
    if not side and server.unknowns.position_side_required:
        raise codes.empty("positionSide")
    if side not in {None, "", "net", "long", "short"}:
        raise codes.wrong("positionSide")
    return PositionSide(str(side or "net"))


def client_id(body: dict[str, Any]) -> str | None:
    """Up to 32 letters, digits or underscores."""
    found = body.get("clientOrderId") or None
    if found is not None and not CLIENT_ID.fullmatch(str(found)):
        raise errors.BadClientOrderId
    return str(found) if found else None


def fills(server: BlofinServer, call: Call) -> object:
    """Return fills, newest first; an order's fills are shown as one."""
    del server
    filled = [order for order in reversed(call.account.orders.values()) if order.filled]
    return [fill_row(order) for order in pages(filled, call.parameters)]


def cancel_order(server: BlofinServer, account: Account, body: dict[str, Any]) -> dict[str, Any]:
    """Cancel by either id; a finished order and an unknown one are refused alike."""
    order_id, own = body.get("orderId"), body.get("clientOrderId")
    if not order_id and not own:
        raise codes.either("orderId", "clientOrderId")
    try:
        order = server.exchange.find_order(account, order_id=order_id or None, client_id=own)
        server.exchange.cancel(account, order)
    except errors.OrderNotFound:
        raise errors.OrderFinished from None
    return acknowledged(order, None)


def close_position(server: BlofinServer, call: Call) -> dict[str, str]:
    """Close the whole position by a market order."""
    body = call.json
    server.check_broker(call, body)
    symbol = server.exchange.market.instrument(str(body.get("instId"))).symbol
    mode, side = margin_mode_of(body), position_side(server, body)
    if (call.account.position_mode(symbol) is PositionMode.HEDGE) == (side is PositionSide.NET):
        raise errors.PositionModeMismatch
    held = call.account.position(symbol, side)
    if held is None or held.direction is None or held.margin_mode is not mode:
        raise errors.PositionNotFound
    request = OrderRequest(
        symbol=symbol,
        side=held.direction.opposite,
        size=abs(held.size),
        reduce_only=True,
        position_side=side,
        client_id=client_id(body),
        margin_mode=mode,
        close_all=True,
    )
    order = server.exchange.place(call.account, request, call.plan)
    return {
        "instId": symbol,
        "positionSide": side.value,
        "clientOrderId": order.request.client_id or "",
    }


def order_detail(server: BlofinServer, call: Call) -> object:
    """Return an order in any state, by either id."""
    parameters = call.parameters
    if not parameters.get("instId"):
        raise codes.empty("instId")
    names = ("orderId", "clientOrderId", "algoClientOrderId")
    if not any(parameters.get(name) for name in names):
        raise codes.either("orderId", "clientOrderId")
    try:
        order = _found(server, call.account, *(parameters.get(name) or None for name in names))
        if order.request.symbol != parameters["instId"]:
            raise errors.OrderNotFound
    except errors.OrderNotFound:
        if server.unknowns.missing_order == "refused":
            raise
        return None if server.unknowns.missing_order == "null" else {}
    return row(order, pending=True, named=server.unknowns.children_named)


def _found(
    server: BlofinServer, account: Account, order_id: str | None, own: str | None, algo: str | None
) -> Order:
    """Find an order by its id, else by its client order id, else by that of the TP/SL order that became it."""
    if order_id is None and own is None and not server.unknowns.children_named:
        raise errors.OrderNotFound
    if order_id is not None and order_id.startswith(CHILD):
        order_id, own, algo = order_id.removeprefix(CHILD), None, order_id
    order = server.exchange.find_order(account, order_id=order_id, client_id=own or algo)
    child = order.request.trigger is not None
    hidden = child and not server.unknowns.children_shown
    if child != (algo is not None) or order.untriggered or failed(order) or hidden:
        raise errors.OrderNotFound
    return order
