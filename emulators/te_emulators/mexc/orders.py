"""Orders: create, cancel, look up, close everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from te_emulators.core import errors
from te_emulators.core.account import Account
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide, Side
from te_emulators.core.order import Order, OrderRequest, OrderType
from te_emulators.mexc.codes import Refusal, code_of
from te_emulators.mexc.rows import KINDS, MODES, OPEN_TYPES, STATES, order_row
from te_emulators.mexc.unknowns import Duplicates
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import number, text

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.mexc.server import MexcServer

ROOT = "/api/v1/private/order"
SIDES = {
    1: (Side.BUY, PositionSide.LONG),
    2: (Side.BUY, PositionSide.SHORT),
    3: (Side.SELL, PositionSide.SHORT),
    4: (Side.SELL, PositionSide.LONG),
}
"""Direction, and the affected position in hedge mode: open long, close short, open short, close long."""
CLOSING = frozenset({2, 4})
TIMES = {kind: time for time, kind in KINDS.items()}


class Orders:
    """Handlers of one server."""

    def __init__(self, server: MexcServer) -> None:
        self._server = server
        self._exchange = server.exchange

    def routes(self) -> list[Route]:
        """Routes of orders."""
        changing = {
            "create": ("order", self.create),
            "submit": ("order", self.submit),
            "cancel": ("cancel", self.cancel),
            "cancel_with_external": ("cancel", self.cancel_with_external),
            "cancel_all": ("cancel", self.cancel_all),
        }
        reading = {
            "get/{order_id}": self.get,
            "external/{symbol}/{external_oid}": self.external,
            "list/open_orders": self.open_orders,
            "list/open_orders/{symbol}": self.open_orders,
            "list/history_orders": self.history,
            "batch_query": self.batch,
        }
        return [
            *(
                Route(method="POST", path=f"{ROOT}/{path}", kind=kind, handler=handler, permission="trade")
                for path, (kind, handler) in changing.items()
            ),
            *(
                Route(method="GET", path=f"{ROOT}/{path}", kind="lookup", handler=handler)
                for path, handler in reading.items()
            ),
            Route(
                method="POST",
                path="/api/v1/private/position/close_all",
                kind="order",
                handler=self.close_all,
                permission="trade",
            ),
        ]

    # --- changing -------------------------------------------------------------------------------------------------

    def create(self, call: Call) -> object:
        """Return the id of the accepted order; a look-up shows its outcome."""
        order = self._place(call)
        return {"orderId": order.order_id, "ts": self._exchange.clock.ms()}

    def submit(self, call: Call) -> object:
        """The path of older clients: returns the bare id."""
        return int(self._place(call).order_id)

    def _place(self, call: Call) -> Order:
        account, body = call.account, call.json
        symbol = text(body, "symbol")
        if account.name in self._server.forbidden:
            raise Refusal(6001, "Trading forbidden")
        if symbol in self._server.listed_only:
            raise errors.NotTradable
        request = self._request(account, symbol, body)
        known = account.by_client_id.get(request.client_id or "")
        if known is not None and self._server.unknowns.duplicates is not Duplicates.EXECUTED:
            if self._server.unknowns.duplicates is Duplicates.REFUSED:
                raise errors.DuplicateClientOrderId
            return known
        return self._exchange.place(account, request, call.plan)

    def _request(self, account: Account, symbol: str, body: dict[str, Any]) -> OrderRequest:
        self._exchange.market.instrument(symbol)
        side = SIDES.get(_integer(body, "side"))
        mode = OPEN_TYPES.get(_integer(body, "openType"))
        external = body.get("externalOid")
        if side is None or mode is None:
            raise errors.BadParameter("side or openType")
        if external is not None and len(str(external)) > 32:
            raise errors.BadClientOrderId
        kind = self._kind(_integer(body, "type"))
        hedged = account.position_mode(symbol) is PositionMode.HEDGE
        stated = MODES.get(_integer(body, "positionMode")) if "positionMode" in body else None
        if stated not in {None, account.position_mode(symbol)}:
            raise errors.PositionModeMismatch
        closing = int(body["side"]) in CLOSING
        request = OrderRequest(
            symbol=symbol,
            side=side[0],
            size=number(body.get("vol"), "vol"),
            type=kind[0],
            price=number(body.get("price"), "price") if kind[0] is OrderType.LIMIT else None,
            time_in_force=TIMES[kind[1]],
            reduce_only=not hedged and (closing or body.get("reduceOnly") is True),
            position_side=side[1] if hedged else PositionSide.NET,
            client_id=None if external is None else str(external),
            margin_mode=mode,
            leverage=self._leverage(body, mode),
        )
        self._check_position(account, request, body, closing=closing)
        return request

    def _kind(self, kind: int) -> tuple[OrderType, int]:
        if kind in TIMES:
            return OrderType.LIMIT, kind
        if kind not in self._server.unknowns.market_types:
            raise errors.BadParameter("type")
        return OrderType.MARKET, 3

    def _leverage(self, body: dict[str, Any], mode: MarginMode) -> Any:
        if body.get("leverage") is None:
            if mode is MarginMode.ISOLATED:
                raise errors.BadParameter("leverage is necessary on isolated margin")
            return None
        leverage = number(body["leverage"], "leverage")
        if leverage < 1:
            raise errors.LeverageTooLow
        return leverage

    def _check_position(
        self, account: Account, request: OrderRequest, body: dict[str, Any], *, closing: bool
    ) -> None:
        position = account.position(request.symbol, request.position_side)
        held = position if position is not None and position.size else None
        named = body.get("positionId")
        if closing and named is None and self._server.unknowns.close_needs_position_id:
            raise errors.BadParameter("positionId")
        if named is not None and (
            held is None or self._server.episodes.of(account.name, held).number != int(named)
        ):
            raise errors.PositionNotFound
        if held is None:
            return
        if (closing or request.reduce_only) and held.direction is request.side.opposite:
            if request.size > abs(held.size):
                raise Refusal(2008, "The quantity is insufficient")
        elif request.leverage not in {None, held.leverage} and held.direction is request.side:
            raise errors.LeverageMismatch

    def cancel(self, call: Call) -> object:
        """Each order is independent: failures are in the items."""
        ids = call.content
        if not isinstance(ids, list) or not ids or len(ids) > 50:
            raise errors.BadParameter("a list of at most 50 order ids")
        return [self._cancelled(call.account, str(found)) for found in ids]

    def _cancelled(self, account: Account, order_id: str) -> dict[str, Any]:
        code, message = 0, "success"
        try:
            self._exchange.cancel(account, self._exchange.find_order(account, order_id=order_id))
        except (errors.OrderNotFound, errors.OrderFinished) as error:
            code, message = code_of(error)
        shown = int(order_id) if order_id.isdigit() else order_id
        return {"orderId": shown, "errorCode": code, "errorMsg": message}

    def cancel_with_external(self, call: Call) -> object:
        """One order by symbol and externalOid."""
        body = call.json
        order = self._exchange.find_order(call.account, client_id=text(body, "externalOid"))
        if order.request.symbol != text(body, "symbol"):
            raise errors.OrderNotFound
        self._exchange.cancel(call.account, order)
        return {"symbol": order.request.symbol, "externalOid": order.request.client_id}

    def cancel_all(self, call: Call) -> object:
        """Of one contract or all."""
        symbol = call.json.get("symbol")
        for order in call.account.orders_open(None if symbol is None else str(symbol)):
            self._exchange.cancel(call.account, order)
        return self._server.NOTHING

    def close_all(self, call: Call) -> object:
        """Close every position of the account at the market."""
        for position in call.account.held():
            direction = position.direction
            assert direction is not None
            request = OrderRequest(
                symbol=position.symbol,
                side=direction.opposite,
                size=abs(position.size),
                reduce_only=True,
                position_side=position.side,
            )
            self._exchange.place(call.account, request, call.plan)
        return self._server.NOTHING

    # --- reading --------------------------------------------------------------------------------------------------

    def row(self, order: Order) -> dict[str, Any]:
        """An order with the id of its position."""
        return order_row(order, self._server.episodes.of_order(order.order_id))

    def get(self, call: Call) -> object:
        """By order id."""
        return self._found(call.account, order_id=call.path_values["order_id"])

    def external(self, call: Call) -> object:
        """By symbol and externalOid."""
        found = self._found(call.account, client_id=call.path_values["external_oid"])
        if found is not None and found["symbol"] != call.path_values["symbol"]:
            self._refuse_missing()
            return None
        return found

    def _found(self, account: Account, **ids: str) -> dict[str, Any] | None:
        try:
            return self.row(self._exchange.find_order(account, **ids))
        except errors.OrderNotFound:
            self._refuse_missing()
            return None

    def _refuse_missing(self) -> None:
        if not self._server.unknowns.missing_order_is_null:
            raise errors.OrderNotFound

    def open_orders(self, call: Call) -> object:
        """Newest first."""
        symbol = call.path_values.get("symbol") or call.parameters.get("symbol")
        rows = [self.row(order) for order in call.account.orders_open(symbol)]
        return _page(rows[::-1], call.parameters)

    def history(self, call: Call) -> object:
        """Return orders by contract and states, newest first, including open ones."""
        symbol = call.parameters.get("symbol")
        wanted = set(filter(None, call.parameters.get("states", "").split(",")))
        rows = [
            self.row(order)
            for order in reversed(call.account.orders.values())
            if symbol in {None, order.request.symbol} and (not wanted or str(STATES[order.status]) in wanted)
        ]
        return _page(rows, call.parameters)

    def batch(self, call: Call) -> object:
        """Return the known ones of at most 50 order ids."""
        ids = call.parameters.get("order_ids", "").replace("%2C", ",").split(",")
        orders = (call.account.orders.get(order_id) for order_id in ids[:50])
        return [self.row(order) for order in orders if order is not None]


def _page(rows: list[dict[str, Any]], parameters: dict[str, str]) -> list[dict[str, Any]]:
    size = min(int(parameters.get("page_size", "20")), 100)
    start = (int(parameters.get("page_num", "1")) - 1) * size
    return rows[start : start + size]


def _integer(body: dict[str, Any], name: str) -> int:
    value = number(body.get(name), name)
    if value != int(value):
        raise errors.BadParameter(name)
    return int(value)
