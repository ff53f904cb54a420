"""The account overview and positions."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from te_emulators.core.account import Account
from te_emulators.core.exchange import Exchange
from te_emulators.core.modes import MarginMode, PositionSide
from te_emulators.core.position import Position
from te_emulators.kucoin.wallet import overview
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import text

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.kucoin.server import KucoinServer

ZERO = Decimal(0)
Row = dict[str, Any]


def routes(server: KucoinServer) -> list[Route]:
    """Routes that read the account."""
    exchange = server.exchange

    def balance(call: Call) -> object:
        return overview(exchange, call.account, call.parameters.get("currency", "XBT"))

    def positions(call: Call) -> object:
        coin = call.parameters.get("currency", call.account.coin)
        held = call.account.held() if coin == call.account.coin else []
        return [row(exchange, position) for position in held]

    def position(call: Call) -> object:
        symbol = exchange.market.instrument(text(dict(call.parameters), "symbol")).symbol
        held = call.account.held(symbol)
        return row(exchange, held[0] if held else _flat(exchange, call.account, symbol))

    return [
        Route(method="GET", path="/api/v1/account-overview", kind="balance", handler=balance),
        Route(method="GET", path="/api/v1/positions", kind="positions", handler=positions),
        Route(method="GET", path="/api/v1/position", kind="positions", handler=position),
    ]


def _flat(exchange: Exchange, account: Account, symbol: str) -> Position:
    return Position(
        position_id=0,
        instrument=exchange.market.instrument(symbol),
        side=PositionSide.NET,
        margin_mode=account.margin_mode(symbol),
        leverage=ZERO,
    )


def row(exchange: Exchange, position: Position) -> Row:
    """Return a position in the form of look-ups and pushes; rows of cross positions lack some fields.

    The leverage of an isolated one is what is effective now: value by margin and profit, so it drifts.
    """
    mark = exchange.market.mark(position.symbol)
    isolated = position.margin_mode is MarginMode.ISOLATED
    sign = -1 if position.size < 0 else 1
    cost = sign * position.value(position.entry_price)
    profit = position.unrealised(mark)
    margin = position.initial_margin(mark)
    found = {
        "id": f"5000000000{position.position_id:08d}",
        "symbol": position.symbol,
        "crossMode": not isolated,
        "delevPercentage": 0.5 if position.size else 0,
        "openingTimestamp": position.opened_ms,
        "currentTimestamp": exchange.clock.ms(),
        "currentQty": position.size,
        "currentCost": cost,
        "currentComm": ZERO,
        "unrealisedCost": cost,
        "realisedGrossCost": ZERO,
        "realisedCost": ZERO,
        "isOpen": bool(position.size),
        "markPrice": mark,
        "markValue": sign * position.value(mark),
        "posCost": cost,
        "posInit": margin,
        "posMargin": margin,
        "realisedGrossPnl": ZERO,
        "realisedPnl": position.realised,
        "unrealisedPnl": profit,
        "unrealisedPnlPcnt": _share(profit, cost),
        "unrealisedRoePcnt": _share(profit, margin),
        "avgEntryPrice": position.entry_price,
        "liquidationPrice": position.liquidation_price() or ZERO,
        "bankruptPrice": position.bankruptcy_price() if isolated and position.size else ZERO,
        "settleCurrency": position.instrument.quote,
        "isInverse": False,
        "marginMode": position.margin_mode.value.upper(),
        "positionSide": "BOTH" if position.side is PositionSide.NET else position.side.value.upper(),
    }
    if not isolated:
        return {**found, "leverage": position.leverage}
    return {**found, **_isolated(position, mark, margin)}


def _isolated(position: Position, mark: Decimal, margin: Decimal) -> Row:
    own = margin + position.unrealised(mark)
    effective = round(position.value(mark) / own, 2) if own > 0 else ZERO
    rate = position.instrument.maintenance_rate
    return {
        "autoDeposit": False,
        "maintMarginReq": rate,
        "riskLimit": 500000,
        "realLeverage": effective,
        "posCross": ZERO,
        "posCrossMargin": 0,
        "posComm": ZERO,
        "posCommCommon": ZERO,
        "posLoss": ZERO,
        "posFunding": ZERO,
        "posMaint": position.maintenance_margin(mark),
        "maintMargin": own,
        "maintainMargin": rate,
        "riskLimitLevel": 1,
        "leverage": effective,
    }


def _share(profit: Decimal, of: Decimal) -> Decimal:
    return round(profit / abs(of), 4) if of else ZERO
