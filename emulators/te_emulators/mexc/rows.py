"""Assets, positions, orders and fills in the form of reads and pushes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from te_emulators.core import margin
from te_emulators.core.account import Account
from te_emulators.core.admission import is_closing_only
from te_emulators.core.exchange import Exchange
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide, Side
from te_emulators.core.order import Execution, Order, OrderRequest, OrderStatus, OrderType, TimeInForce
from te_emulators.core.position import Position
from te_emulators.mexc.codes import ASYNCHRONOUS
from te_emulators.mexc.episodes import Episode

ZERO = Decimal(0)
OPEN_TYPES = {1: MarginMode.ISOLATED, 2: MarginMode.CROSS}
NUMBERS = {mode: number for number, mode in OPEN_TYPES.items()}
MODES = {1: PositionMode.HEDGE, 2: PositionMode.ONE_WAY}
STATES = {
    OrderStatus.NEW: 2,
    OrderStatus.PARTIALLY_FILLED: 2,
    OrderStatus.FILLED: 3,
    OrderStatus.CANCELLED: 4,
    OrderStatus.REJECTED: 5,
}
KINDS = {TimeInForce.GTC: 1, TimeInForce.POST_ONLY: 2, TimeInForce.IOC: 3, TimeInForce.FOK: 4}


def pushed_asset(exchange: Exchange, account: Account) -> dict[str, Any]:
    """Return the asset of the account's coin as a push shows it: without equity and unrealised profit."""
    return {
        "availableBalance": round(max(margin.available(account, exchange.market), ZERO), 8),
        "bonus": 0,
        "currency": account.coin,
        "frozenBalance": round(margin.order_margin(account), 8),
        "positionMargin": round(margin.position_margin(account, exchange.market), 8),
    }


def asset(exchange: Exchange, account: Account) -> dict[str, Any]:
    """The asset of the account's coin."""
    pushed = pushed_asset(exchange, account)
    return {
        **pushed,
        "cashBalance": pushed["availableBalance"],
        "equity": round(margin.equity(account, exchange.market), 8),
        "unrealized": round(margin.unrealised(account, exchange.market), 8),
    }


def position_type(position: Position) -> int:
    """1 long, 2 short."""
    if position.side is PositionSide.NET:
        return 1 if position.size >= 0 else 2
    return 1 if position.side is PositionSide.LONG else 2


def pushed_position(position: Position, episode: Episode) -> dict[str, Any]:
    """Return a position as a push shows it; ``state`` 1 is held, 3 closed."""
    held = abs(position.size)
    bound = round(position.initial_margin(position.entry_price), 8)
    return {
        "autoAddIm": False,
        "closeAvgPrice": round(episode.closed_at, 8),
        "closeVol": episode.closed,
        "frozenVol": 0,
        "holdAvgPrice": round(episode.entry, 8),
        "holdFee": 0,
        "holdVol": held,
        "im": bound,
        "leverage": position.leverage,
        "liquidatePrice": round(position.liquidation_price() or ZERO, 8),
        "oim": bound,
        "openAvgPrice": round(episode.entry, 8),
        "openType": NUMBERS[position.margin_mode],
        "positionId": episode.number,
        "positionType": position_type(position),
        "realised": round(position.realised, 8),
        "state": 1 if held else 3,
        "symbol": position.symbol,
    }


def position_row(position: Position, episode: Episode) -> dict[str, Any]:
    """A position: no mark price, notional or unrealised profit."""
    return {
        **pushed_position(position, episode),
        "createTime": position.opened_ms,
        "updateTime": position.updated_ms,
    }


def side_number(request: OrderRequest) -> int:
    """1 open long, 2 close short, 3 open short, 4 close long."""
    if is_closing_only(request):
        return 2 if request.side is Side.BUY else 4
    return 1 if request.side is Side.BUY else 3


def order_type(request: OrderRequest) -> int:
    """1 limit, 2 post-only, 3 IOC, 4 FOK, 5 market."""
    return 5 if request.type is OrderType.MARKET else KINDS[request.time_in_force]


def order_row(order: Order, position_id: int) -> dict[str, Any]:
    """Return an order in the form of look-ups and the history."""
    request = order.request
    return {
        "orderId": order.order_id,
        "symbol": request.symbol,
        "positionId": position_id,
        "price": round(request.price or order.average or ZERO, 8),
        "vol": order.size,
        "leverage": order.leverage,
        "side": side_number(request),
        "category": 2 if order.liquidation else 1,
        "orderType": order_type(request),
        "dealAvgPrice": round(order.average or ZERO, 8),
        "dealVol": order.filled,
        "orderMargin": 0,
        "takerFee": round(order.fee, 8),
        "makerFee": 0,
        "profit": round(order.profit, 8),
        "feeCurrency": order.coin,
        "openType": NUMBERS[order.margin_mode],
        "state": STATES[order.status],
        "externalOid": request.client_id or f"_m_{order.order_id}",
        "errorCode": 0 if order.filled else ASYNCHRONOUS.get(order.reason, 1 if order.reason else 0),
        "usedMargin": 0,
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
    }


def pushed_order(order: Order, position_id: int) -> dict[str, Any]:
    """Return an order as a push shows it."""
    remaining = order.remaining if order.status.open else ZERO
    return {**order_row(order, position_id), "remainVol": remaining, "version": order.sequence}


def deal(order: Order, execution: Execution, mode: PositionMode) -> dict[str, Any]:
    """Return a fill as a push shows it."""
    request = order.request
    return {
        "id": int(execution.execution_id),
        "symbol": request.symbol,
        "side": side_number(request),
        "vol": execution.size,
        "price": execution.price,
        "feeCurrency": order.coin,
        "fee": round(execution.fee, 8),
        "timestamp": execution.at_ms,
        "profit": round(execution.profit, 8),
        "isTaker": not execution.maker,
        "category": 2 if order.liquidation else 1,
        "orderId": int(order.order_id),
        "isSelf": False,
        "externalOid": request.client_id or f"_m_{order.order_id}",
        "positionMode": next(number for number, known in MODES.items() if known is mode),
        "reduceOnly": request.reduce_only,
        "opponentUid": 987654321,
    }
