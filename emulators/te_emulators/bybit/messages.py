"""Data of the topics as Bybit pushes it."""

from __future__ import annotations

from typing import Any

from te_emulators.bybit import orders, positions
from te_emulators.bybit.wallet import wallet
from te_emulators.core.account import Account
from te_emulators.core.events import Event
from te_emulators.core.exchange import Exchange
from te_emulators.core.order import Execution, Order, OrderType
from te_emulators.core.position import Position
from te_emulators.wire.figures import plain


def message(topic: str, event: Event, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The envelope of a private topic."""
    return {
        "id": f"5923240c6880ab-{event.sequence:08d}",
        "topic": topic,
        "creationTime": event.at_ms,
        "data": rows,
    }


def position_row(exchange: Exchange, account: Account, position: Position) -> dict[str, Any]:
    """Like the look-up's row, with ``entryPrice`` and no empty values."""
    found = positions.row_of(exchange, account, position)
    entry = found.pop("avgPrice")
    margin, maintenance = found["positionIM"], found["positionMM"]
    return {
        **found,
        "entryPrice": entry,
        "sessionAvgPrice": "",
        "positionValue": found["positionValue"] or "0",
        "unrealisedPnl": found["unrealisedPnl"] or "0",
        "positionIMByMp": margin,
        "positionMMByMp": maintenance,
        "curRealisedPnl": plain(position.realised, 8),
        "category": "linear",
    }


def order_row(order: Order) -> dict[str, Any]:
    """Like the look-up's row, with the category."""
    return {
        **orders.row(order),
        "category": "linear",
        "feeCurrency": order.coin,
        "closedPnl": plain(order.profit, 8),
    }


def execution_row(exchange: Exchange, event: Event, order: Order, execution: Execution) -> dict[str, Any]:
    """One fill."""
    request = order.request
    instrument = exchange.market.instrument(request.symbol)
    return {
        "category": "linear",
        "symbol": request.symbol,
        "closedSize": plain(execution.closed),
        "execFee": plain(execution.fee, 8),
        "execId": execution.execution_id,
        "execPrice": plain(execution.price, 8),
        "execQty": plain(execution.size),
        "execType": "BustTrade" if order.liquidation else "Trade",
        "execValue": plain(instrument.notional(execution.size, execution.price), 8),
        "feeRate": plain(instrument.maker_fee if execution.maker else instrument.taker_fee),
        "tradeIv": "",
        "markIv": "",
        "blockTradeId": "",
        "markPrice": plain(exchange.market.mark(request.symbol)),
        "indexPrice": "",
        "underlyingPrice": "",
        "leavesQty": plain(order.remaining),
        "orderId": order.order_id,
        "orderLinkId": request.client_id or "",
        "orderPrice": plain(request.price or execution.price, 8),
        "orderQty": plain(order.size),
        "orderType": "Market" if request.type is OrderType.MARKET else "Limit",
        "stopOrderType": "UNKNOWN",
        "side": request.side.value.capitalize(),
        "execTime": str(execution.at_ms),
        "isLeverage": "0",
        "isMaker": execution.maker,
        "seq": event.sequence,
    }


def wallet_row(exchange: Exchange, account: Account) -> dict[str, Any]:
    """The wallet of the balance route with the fields that only the push has."""
    found = wallet(exchange, account)
    for name in ("accountIMRate", "totalInitialMargin", "accountMMRate", "totalMaintenanceMargin"):
        found[f"{name}ByMp"] = found[name]
    return found
