"""Positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from te_emulators.blofin.figures import long
from te_emulators.core import margin
from te_emulators.core.account import Account
from te_emulators.core.exchange import Exchange
from te_emulators.core.modes import MarginMode, PositionSide
from te_emulators.core.position import Position
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import plain

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.blofin.server import BlofinServer


def routes(server: BlofinServer) -> list[Route]:
    """Return open positions; flat ones are missing."""
    exchange = server.exchange

    def positions(call: Call) -> object:
        symbol = call.parameters.get("instId")
        if symbol is not None:
            exchange.market.instrument(symbol)
        held = [] if call.account.name in server.copy_traders else call.account.held(symbol)
        return [read_row(exchange, call.account, position) for position in held]

    return [Route(method="GET", path="/api/v1/account/positions", kind="positions", handler=positions)]


def read_row(exchange: Exchange, account: Account, position: Position) -> dict[str, str]:
    """Return the row of a read: isolated ones have "margin" and no "initialMargin", cross ones the reverse."""
    row = pushed_row(exchange, account, position)
    del row["margin" if position.margin_mode is MarginMode.CROSS else "initialMargin"]
    return row


def pushed_row(exchange: Exchange, account: Account, position: Position) -> dict[str, Any]:
    """Return the row that a stream pushes: of "margin" and "initialMargin" the one that does not apply is empty."""
    mark = exchange.market.mark(position.symbol)
    isolated = position.margin_mode is MarginMode.ISOLATED
    bound, needed = position.initial_margin(mark), position.maintenance_margin(mark)
    profit = position.unrealised(mark)
    secured = bound + profit if isolated else margin.equity(account, exchange.market)
    liquidation = position.liquidation_price()
    size = position.size if position.side is PositionSide.NET else abs(position.size)
    return {
        "positionId": str(position.position_id),
        "instId": position.symbol,
        "instType": "SWAP",
        "marginMode": position.margin_mode.value,
        "positionSide": position.side.value,
        "adl": "1",
        "positions": plain(size),
        "availablePositions": plain(size),
        "averagePrice": long(position.entry_price),
        "margin": long(bound) if isolated else "",
        "markPrice": plain(mark),
        "marginRatio": long(secured / needed) if needed else "",
        "liquidationPrice": long(liquidation) if liquidation is not None else "",
        "unrealizedPnl": plain(profit, 18),
        "unrealizedPnlRatio": plain(profit / bound, 18) if bound else "0",
        "initialMargin": "" if isolated else long(bound),
        "maintenanceMargin": plain(needed, 18),
        "createTime": str(position.opened_ms),
        "updateTime": str(position.updated_ms),
        "leverage": plain(position.leverage),
    }
