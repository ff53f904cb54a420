"""Copy trading: routes of a lead trader's account of its own. https://docs.blofin.com/index.html#copy-trading

The account is that of the key, which is of either kind: routes of the other kind find it empty.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from te_emulators.blofin import account as futures
from te_emulators.blofin import codes
from te_emulators.blofin.account import margin_mode_of, position_mode
from te_emulators.blofin.order_rows import pages, row
from te_emulators.blofin.orders import acknowledged, order_request, position_side
from te_emulators.blofin.positions import read_row
from te_emulators.core import errors
from te_emulators.core.modes import PositionMode, PositionSide
from te_emulators.core.order import Order, OrderRequest
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import number

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.blofin.server import BlofinServer

Answer = Callable[["BlofinServer", Call], object]
ZERO = Decimal(0)
ROOT = "/api/v1/copytrading"
PLACE = f"{ROOT}/trade/place-order"
UNSHOWN = ("clientOrderId", "reduceOnly", "algoClientOrderId", "algoId", "cancelSource", "cancelSourceReason")
"""Fields of futures orders that the documented rows lack."""


def routes(server: BlofinServer) -> list[Route]:
    """Routes of the copy-trading account."""
    reads: list[tuple[str, str, Answer]] = [
        ("instruments", "other", instruments),
        ("config", "account", lambda *_: {"nickName": "BloFin_emulator", "roleType": "1"}),
        ("account/balance", "balance", balance),
        ("account/positions-by-contract", "positions", positions),
        ("account/position-mode", "account", position_mode),
        ("account/leverage-info", "account", futures.leverages),
        ("trade/orders-pending", "lookup", pending),
        ("trade/orders-history", "lookup", history),
    ]
    writes: list[tuple[str, str, Answer]] = [
        ("account/set-leverage", "leverage", futures.set_leverage),
        ("trade/place-order", "order", place),
        ("trade/close-position-by-contract", "order", close),
    ]
    return [
        *(
            Route(method="GET", path=f"{ROOT}/{path}", kind=kind, handler=partial(answer, server))
            for path, kind, answer in reads
        ),
        *(
            Route(
                method="POST",
                path=f"{ROOT}/{path}",
                kind=kind,
                handler=partial(answer, server),
                permission="trade",
            )
            for path, kind, answer in writes
        ),
    ]


def is_copy_trading(server: BlofinServer, call: Call) -> bool:
    """Return whether the key's account is one for copy trading."""
    return call.account.name in server.copy_traders


def instruments(server: BlofinServer, call: Call) -> object:
    """Return the contracts that may be traded here."""
    del call
    return {
        "instIdList": [name for name in server.exchange.market.instruments if name not in server.uncopied]
    }


def balance(server: BlofinServer, call: Call) -> object:
    """Return the balance, as of a futures account."""
    found = futures.balance(server.exchange, call.account)
    return found if is_copy_trading(server, call) else {**found, "details": []}


def positions(server: BlofinServer, call: Call) -> object:
    """Return positions by contract: one row for all opening orders of a contract."""
    held = call.account.held(call.parameters.get("instId") or None)
    held = held if is_copy_trading(server, call) else []
    return [read_row(server.exchange, call.account, position) for position in held]


def pending(server: BlofinServer, call: Call) -> object:
    """Open orders, newest first."""
    found = list(reversed(call.account.orders_open()))
    return [_row(server, order) for order in pages(found, call.parameters)]


def history(server: BlofinServer, call: Call) -> object:
    """Finished orders, newest first; at most 20."""
    if int(call.parameters.get("limit", "20")) > 20:
        raise codes.wrong("limit")
    done = [order for order in reversed(call.account.orders.values()) if not order.status.open]
    return [_row(server, order) for order in pages(done, call.parameters)]


def _row(server: BlofinServer, order: Order) -> dict[str, Any]:
    left_out = () if server.unknowns.copy_client_ids else UNSHOWN
    return {name: value for name, value in row(order).items() if name not in left_out}


def place(server: BlofinServer, call: Call) -> object:
    """Open or reverse a position: an order's reduce-only flag is ignored."""
    _check_broker(server, call)
    _check_account(server, call)
    body = {name: value for name, value in call.json.items() if name != "reduceOnly"}
    if not body.get("positionSide"):
        raise codes.empty("positionSide")
    order = server.exchange.place(call.account, order_request(server, call.account, body), call.plan)
    return [acknowledged(order, "")]


def close(server: BlofinServer, call: Call) -> object:
    """Close that many contracts with one or two market orders."""
    _check_broker(server, call)
    _check_account(server, call)
    body = call.json
    for name in ("instId", "marginMode", "positionSide", "closeType", "size"):
        if body.get(name) in {None, ""}:
            raise codes.empty(name)
    if body["closeType"] != "pnl":
        raise codes.wrong("closeType")
    instrument = server.exchange.market.instrument(str(body["instId"]))
    mode, side = margin_mode_of(body), position_side(server, body)
    if (call.account.position_mode(instrument.symbol) is PositionMode.HEDGE) == (side is PositionSide.NET):
        raise errors.PositionModeMismatch
    held = call.account.position(instrument.symbol, side)
    if held is None or held.direction is None or held.margin_mode is not mode:
        raise errors.ReduceOnlyRejected
    size = number(body["size"], "size")
    first = (
        size // 2 // instrument.size_step * instrument.size_step if server.unknowns.closes_in_parts else ZERO
    )
    orders = []
    for part in (size - first, first):
        if not part or held.direction is None:
            continue
        request = OrderRequest(
            symbol=instrument.symbol,
            side=held.direction.opposite,
            size=part,
            reduce_only=True,
            position_side=side,
            client_id=server.closing_id(instrument.symbol),
            margin_mode=mode,
        )
        orders.append(server.exchange.place(call.account, request, call.plan))
    return {"orderIds": [order.order_id for order in orders]}


def _check_account(server: BlofinServer, call: Call) -> None:
    if not is_copy_trading(server, call):
        raise errors.InsufficientMargin


def _check_broker(server: BlofinServer, call: Call) -> None:
    """Depending on the key, the field may or must be present, even if empty; which and why is unknown."""
    given = call.json.get("brokerId")
    if call.key is not None and call.key.key in server.brokers:
        server.check_broker(call, call.json)
    elif given:
        raise codes.broker_refused()
    elif given is None and server.unknowns.copy_broker == "present":
        raise codes.broker_missing()
    elif given is not None and server.unknowns.copy_broker == "absent":
        raise codes.broker_refused()
