"""Orders: create, cancel, look up."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from te_emulators.core import errors
from te_emulators.core.account import Account
from te_emulators.core.exchange import Exchange
from te_emulators.core.instrument import Instrument
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide, Side
from te_emulators.core.order import Order, OrderRequest, OrderStatus, OrderType, TimeInForce
from te_emulators.kucoin.codes import BadLeverage, NotCancellable, PriceTooHigh, PriceTooLow
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import number, plain, text

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.kucoin.server import KucoinServer

Body = dict[str, Any]
POSITION_SIDES = {"BOTH": PositionSide.NET, "LONG": PositionSide.LONG, "SHORT": PositionSide.SHORT}
CLIENT_OID = re.compile(r"[A-Za-z0-9_-]{1,40}")


def routes(server: KucoinServer) -> list[Route]:
    """Routes of orders."""
    exchange = server.exchange

    def create(call: Call) -> object:
        order = exchange.place(call.account, order_request(exchange, call.account, call.json), call.plan)
        return {"orderId": order.order_id, "clientOid": order.request.client_id}

    def by_id(call: Call) -> object:
        return server.looked_up(call, order_id=call.path_values["order_id"])

    def by_client_id(call: Call) -> object:
        return server.looked_up(call, client_id=call.parameters.get("clientOid", ""))

    def cancel(call: Call) -> object:
        order = cancelled(exchange, call.account, order_id=call.path_values["order_id"])
        return {"cancelledOrderIds": [order.order_id]}

    def cancel_by_client_id(call: Call) -> object:
        order = cancelled(exchange, call.account, client_id=call.path_values["client_oid"])
        return {"clientOid": order.request.client_id}

    def cancel_all(call: Call) -> object:
        found = call.account.orders_open(call.parameters.get("symbol"))
        for order in found:
            exchange.cancel(call.account, order)
        return {"cancelledOrderIds": [order.order_id for order in found]}

    found = [
        ("GET", "/api/v1/fills", "lookup", fills, "read"),
        ("POST", "/api/v1/orders", "order", create, "trade"),
        ("GET", "/api/v1/orders/byClientOid", "lookup", by_client_id, "read"),
        ("GET", "/api/v1/orders/{order_id}", "lookup", by_id, "read"),
        ("GET", "/api/v1/orders", "lookup", listed, "read"),
        ("GET", "/api/v1/stopOrders", "lookup", stops, "read"),
        ("GET", "/api/v1/recentDoneOrders", "lookup", recent, "read"),
        ("DELETE", "/api/v1/orders/client-order/{client_oid}", "cancel", cancel_by_client_id, "trade"),
        ("DELETE", "/api/v1/orders/{order_id}", "cancel", cancel, "trade"),
        ("DELETE", "/api/v1/orders", "cancel", cancel_all, "trade"),
        ("DELETE", "/api/v3/orders", "cancel", cancel_all, "trade"),
    ]
    return [
        Route(method=method, path=path, kind=kind, handler=handler, permission=permission)
        for method, path, kind, handler, permission in found
    ]


def listed(call: Call) -> object:
    """A page of the orders that are asked for."""
    return page([row(order) for order in chosen(call.account, call.parameters)], call.parameters)


def recent(call: Call) -> object:
    """Orders that are done, newest first."""
    done = {**call.parameters, "status": "done"}
    return [row(order) for order in chosen(call.account, done)][:1000]


def stops(call: Call) -> object:
    """Untriggered stop orders, newest first."""
    symbol = call.parameters.get("symbol")
    found = [one for one in reversed(call.account.stops.values()) if symbol in {None, one.request.symbol}]
    return page([row(order) for order in found], call.parameters)


# --- what is asked for ----------------------------------------------------------------------------------------


def order_request(exchange: Exchange, account: Account, body: Body) -> OrderRequest:
    """Parse an order; raise its errors before margin is checked."""
    client_id = text(body, "clientOid")
    if not CLIENT_OID.fullmatch(client_id):
        raise errors.BadClientOrderId
    instrument = exchange.market.instrument(text(body, "symbol"))
    side = _position_side(account, instrument.symbol, body)
    mode = _margin_mode(account, instrument.symbol, body)
    limit = body.get("type", "limit") == "limit"
    if body.get("closeOrder") is True:
        return _closing(account, instrument, side, client_id)
    direction = Side(_one_of(body, "side", ("buy", "sell")))
    price = number(body.get("price"), "price") if limit else None
    if price is not None:
        _check_band(exchange, instrument, direction, price)
    at = price or exchange.market.quotes[instrument.symbol].price_for(direction)
    reduces = body.get("reduceOnly") is True
    trigger, rising = _trigger(body)
    return OrderRequest(
        symbol=instrument.symbol,
        side=direction,
        size=_size(instrument, body, at),
        type=OrderType.LIMIT if limit else OrderType.MARKET,
        price=price,
        time_in_force=_time_in_force(body),
        reduce_only=reduces,
        position_side=side,
        client_id=client_id,
        margin_mode=mode,
        leverage=_leverage(body, mode, needed=not reduces),
        trigger=trigger,
        rising=rising,
    )


def _trigger(body: Body) -> tuple[Decimal | None, bool]:
    """Return a stop order's trigger price, and whether a rising price passes it; only mark prices trigger here."""
    if body.get("stop") is None:
        return None, False
    direction = _one_of(body, "stop", ("up", "down"))
    if _one_of(body, "stopPriceType", ("TP", "IP", "MP")) != "MP":
        raise errors.BadParameter("stopPriceType must be MP")
    return number(body.get("stopPrice"), "stopPrice"), direction == "up"


def _closing(account: Account, instrument: Instrument, side: PositionSide, client_id: str) -> OrderRequest:
    held = account.size(instrument.symbol, side)
    return OrderRequest(
        symbol=instrument.symbol,
        side=Side.BUY if held < 0 else Side.SELL,
        size=abs(held),
        close_all=True,
        position_side=side,
        client_id=client_id,
    )


def _one_of(body: Body, name: str, known: tuple[str, ...]) -> str:
    value = body.get(name)
    if value not in known:
        raise errors.BadParameter(f"{name} must be one of {', '.join(known)}")
    return str(value)


def _position_side(account: Account, symbol: str, body: Body) -> PositionSide:
    side = POSITION_SIDES[_one_of({"positionSide": "BOTH", **body}, "positionSide", tuple(POSITION_SIDES))]
    hedged = account.position_mode(symbol) is PositionMode.HEDGE
    if hedged == (side is PositionSide.NET):
        raise errors.PositionModeMismatch
    return side


def _margin_mode(account: Account, symbol: str, body: Body) -> MarginMode:
    """Return the margin mode, by default ISOLATED; it must be the contract's setting."""
    mode = MarginMode(
        _one_of({"marginMode": "ISOLATED", **body}, "marginMode", ("ISOLATED", "CROSS")).lower()
    )
    if mode is not account.margin_mode(symbol):
        raise errors.MarginModeMismatch
    return mode


def _leverage(body: Body, mode: MarginMode, *, needed: bool) -> Decimal | None:
    """Return the leverage of isolated positions; a cross position uses that of its contract."""
    if mode is MarginMode.CROSS or not needed:
        return None
    if body.get("leverage") is None:
        raise BadLeverage
    leverage = number(body["leverage"], "leverage")
    if leverage < 1:
        raise errors.LeverageTooLow
    return leverage


def _size(instrument: Instrument, body: Body, price: Decimal) -> Decimal:
    """One of size (contracts), qty (base coin) and valueQty (quote coin)."""
    given = [name for name in ("size", "qty", "valueQty") if body.get(name) is not None]
    if len(given) != 1:
        raise errors.BadParameter("exactly one of size, qty and valueQty must be given")
    amount = number(body[given[0]], given[0])
    if given[0] == "size":
        return amount
    in_base = amount if given[0] == "qty" else amount / price
    return in_base // instrument.contract_size


def _time_in_force(body: Body) -> TimeInForce:
    if body.get("postOnly") is True:
        return TimeInForce.POST_ONLY
    return TimeInForce(_one_of({"timeInForce": "GTC", **body}, "timeInForce", ("GTC", "IOC")))


def _check_band(exchange: Exchange, instrument: Instrument, side: Side, price: Decimal) -> None:
    width = Decimal(str(instrument.row.get("orderPriceRange", "0.05")))
    mark = exchange.market.mark(instrument.symbol)
    if side is Side.BUY and price > mark * (1 + width):
        raise PriceTooHigh(f"Order price cannot be higher than {plain(mark * (1 + width), 8)}")
    if side is Side.SELL and price < mark * (1 - width):
        raise PriceTooLow(f"Order price cannot be lower than {plain(mark * (1 - width), 8)}")


def cancelled(
    exchange: Exchange, account: Account, *, order_id: str | None = None, client_id: str | None = None
) -> Order:
    """Cancel it; raises NotCancellable if it is finished or unknown."""
    try:
        order = exchange.find_order(account, order_id=order_id, client_id=client_id)
        exchange.cancel(account, order)
    except (errors.OrderNotFound, errors.OrderFinished):
        raise NotCancellable from None
    return order


# --- what is answered -----------------------------------------------------------------------------------------


def chosen(account: Account, parameters: dict[str, str]) -> list[Order]:
    """By status, symbol, side and type, newest first."""
    done = {"done": True, "active": False, "": None}.get(parameters.get("status", ""))
    symbol, side, kind = (parameters.get(name) for name in ("symbol", "side", "type"))
    return [
        order
        for order in reversed(account.orders.values())
        if done in {None, not order.status.open}
        and not (order.untriggered and order.status.open)
        and symbol in {None, order.request.symbol}
        and side in {None, order.request.side.value}
        and kind in {None, order.request.type.value}
    ]


def page(rows: list[Body], parameters: dict[str, str]) -> Body:
    """Return ``pageSize`` rows (default 50, at most 1000) of page ``currentPage`` (from 1)."""
    size = int(number(parameters.get("pageSize", "50"), "pageSize"))
    current = int(number(parameters.get("currentPage", "1"), "currentPage"))
    if not 1 <= size <= 1000 or current < 1:
        raise errors.BadParameter("pageSize or currentPage is out of range")
    return {
        "currentPage": current,
        "pageSize": size,
        "totalNum": len(rows),
        "totalPage": -(-len(rows) // size),
        "items": rows[(current - 1) * size : current * size],
    }


def row(order: Order) -> Body:
    """Return an order in the form of look-ups and lists."""
    request = order.request
    done = not order.status.open
    at = request.price or order.average or Decimal(0)
    return {
        "id": order.order_id,
        "symbol": request.symbol,
        "type": request.type.value,
        "side": request.side.value,
        "price": plain(request.price or Decimal(0)),
        "size": order.size,
        "value": plain(order.size * order.contract_size * at, 8),
        "dealValue": plain(order.value, 8),
        "dealSize": order.filled,
        "stp": "",
        "stop": "" if request.trigger is None else "up" if request.rising else "down",
        "stopPriceType": "" if request.trigger is None else "MP",
        "stopTriggered": request.trigger is not None and not order.untriggered,
        "stopPrice": None if request.trigger is None else plain(request.trigger, 8),
        "timeInForce": "GTC"
        if request.time_in_force is TimeInForce.POST_ONLY
        else request.time_in_force.value,
        "postOnly": request.time_in_force is TimeInForce.POST_ONLY,
        "hidden": False,
        "iceberg": False,
        "leverage": plain(order.leverage),
        "forceHold": False,
        "closeOrder": request.close_all,
        "visibleSize": 0,
        "clientOid": request.client_id or "",
        "remark": None,
        "tags": "",
        "isActive": not done,
        "cancelExist": order.status in {OrderStatus.CANCELLED, OrderStatus.REJECTED},
        "createdAt": order.created_ms,
        "updatedAt": order.updated_ms,
        "endAt": order.updated_ms if done else None,
        "orderTime": order.created_ms * 1_000_000,
        "settleCurrency": order.coin,
        "marginMode": order.margin_mode.value.upper(),
        "positionSide": {PositionSide.NET: "BOTH"}.get(
            request.position_side, request.position_side.value.upper()
        ),
        "avgDealPrice": plain(order.average or Decimal(0), 8),
        "filledSize": order.filled,
        "filledValue": plain(order.value, 8),
        "status": "done" if done else "open",
        "reduceOnly": request.reduce_only,
    }


def fills(call: Call) -> object:
    """Return fills, newest first; an order's fills are shown as one."""
    wanted = call.parameters.get("orderId")
    filled = [order for order in chosen(call.account, call.parameters) if order.filled]
    rows = [fill_row(order) for order in filled if wanted in {None, order.order_id}]
    return page(rows, call.parameters)


def fill_row(order: Order) -> Body:
    """Return what an order filled, as a row of the list of fills."""
    return {
        "symbol": order.request.symbol,
        "tradeId": f"t{order.order_id}",
        "orderId": order.order_id,
        "side": order.request.side.value,
        "liquidity": "taker",
        "forceTaker": True,
        "price": plain(order.average or Decimal(0), 8),
        "size": order.filled,
        "value": plain(order.value, 8),
        "feeRate": "0.0006",
        "fixFee": "0",
        "feeCurrency": order.coin,
        "stop": "",
        "tradeTime": order.updated_ms * 1_000_000,
        "fee": plain(order.fee, 8),
        "settleCurrency": order.coin,
        "orderType": order.request.type.value,
        "tradeType": "trade",
        "createdAt": order.updated_ms,
        "marginMode": order.margin_mode.value.upper(),
    }
