"""Account, positions and their settings."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from te_emulators.bybit.market import category
from te_emulators.bybit.paging import page
from te_emulators.bybit.wallet import wallet
from te_emulators.core import errors, settings
from te_emulators.core.account import Account
from te_emulators.core.exchange import Exchange
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide
from te_emulators.core.position import Position
from te_emulators.wire.call import Call, Reply, Route, json_reply
from te_emulators.wire.figures import number, plain, text

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.bybit.server import BybitServer

MARGIN_MODES = {"ISOLATED_MARGIN": MarginMode.ISOLATED, "REGULAR_MARGIN": MarginMode.CROSS}
NEVER = "1970-01-01T00:00:00Z"
"""How keys are dated that do not expire: those that are bound to addresses."""
SIDES_OF_MODE = {
    PositionMode.ONE_WAY: [(0, PositionSide.NET)],
    PositionMode.HEDGE: [(1, PositionSide.LONG), (2, PositionSide.SHORT)],
}

COINS = {
    "rows": [
        {
            "name": "USDT",
            "coin": "USDT",
            "remainAmount": "10000000",
            "chains": [
                {
                    "chainType": "ERC20",
                    "confirmation": "6",
                    "withdrawFee": "3",
                    "depositMin": "0",
                    "withdrawMin": "10",
                    "chain": "ETH",
                    "chainDeposit": "1",
                    "chainWithdraw": "1",
                    "minAccuracy": "6",
                    "withdrawPercentageFee": "0",
                }
            ],
        }
    ]
}
"""Minimal data for clients that load coins before contracts."""


def routes(server: BybitServer) -> list[Route]:
    """Routes of the account and its positions."""
    exchange = server.exchange

    def balance(call: Call) -> object:
        if call.parameters.get("accountType") != "UNIFIED":
            raise errors.BadParameter("accountType only support UNIFIED.")
        return {"list": [wallet(exchange, call.account)]}

    def positions(call: Call) -> object:
        return position_page(exchange, call.account, call.parameters)

    def leverage(call: Call) -> object:
        set_leverage(exchange, call.account, call.json)
        return {}

    def margin_mode(call: Call) -> object:
        return set_margin_mode(exchange, call.account, call.json)

    def position_mode(call: Call) -> object:
        set_position_mode(exchange, call.account, call.json)
        return {}

    def info(call: Call) -> object:
        return account_info(exchange, call.account)

    found = [
        ("GET", "/v5/account/wallet-balance", "balance", balance, "read"),
        ("GET", "/v5/position/list", "positions", positions, "read"),
        ("POST", "/v5/position/set-leverage", "leverage", leverage, "trade"),
        ("POST", "/v5/account/set-margin-mode", "settings", margin_mode, "trade"),
        ("POST", "/v5/position/switch-mode", "settings", position_mode, "trade"),
        ("GET", "/v5/account/info", "account", info, "read"),
        ("GET", "/v5/user/query-api", "account", key_info, "read"),
        ("GET", "/v5/asset/coin/query-info", "other", lambda _: COINS, "read"),
    ]
    return [
        Route(method=method, path=path, kind=kind, handler=handler, permission=permission)
        for method, path, kind, handler, permission in found
    ]


def position_page(exchange: Exchange, account: Account, parameters: dict[str, str]) -> object:
    """Return positions of one symbol, including flat ones; or the open ones of a settle coin."""
    symbol, coin = parameters.get("symbol"), parameters.get("settleCoin")
    if category(parameters) != "linear":
        return {"nextPageCursor": "", "category": category(parameters), "list": []}
    if symbol:
        sides = SIDES_OF_MODE[account.position_mode(exchange.market.instrument(symbol).symbol)]
        found = [row(exchange, account, symbol, side) for _, side in sides]
    elif coin:
        held = account.held() if coin == account.coin else []
        found = [row(exchange, account, p.symbol, p.side) for p in held]
    else:
        raise errors.BadParameter(
            "params error: Missing some parameters that must be filled in, symbol or settleCoin"
        )
    shown, following = page(
        found,
        parameters,
        usual=20,
        most=200,
        name=lambda row: f"{row['symbol']},{row['createdTime']},{row['positionIdx']}",
    )
    return {"nextPageCursor": quote_plus(following), "category": "linear", "list": shown}


def row(exchange: Exchange, account: Account, symbol: str, side: PositionSide) -> dict[str, Any]:
    """Return a position in the form of look-ups, even if there never was one."""
    return row_of(exchange, account, account.position(symbol, side) or _flat(exchange, account, symbol, side))


def row_of(exchange: Exchange, account: Account, position: Position) -> dict[str, Any]:
    """Return a snapshot of a position; the prices and values of a flat one are empty."""
    symbol, side = position.symbol, position.side
    mark = exchange.market.mark(symbol)
    size = abs(position.size)
    liquidation = position.liquidation_price()
    return {
        "symbol": symbol,
        "leverage": plain(account.leverage(symbol, side) if not size else position.leverage),
        "autoAddMargin": 0,
        "avgPrice": plain(position.entry_price, 8),
        "liqPrice": plain(liquidation, 8) if liquidation is not None else "",
        "riskLimitValue": "2000000",
        "takeProfit": "",
        "positionValue": plain(position.value(position.entry_price), 8) if size else "",
        "isReduceOnly": False,
        "tpslMode": "Full",
        "riskId": 1,
        "trailingStop": "0",
        "unrealisedPnl": plain(position.unrealised(mark), 8) if size else "",
        "markPrice": plain(mark),
        "adlRankIndicator": 2 if size else 0,
        "cumRealisedPnl": plain(position.realised_ever, 8),
        "positionMM": plain(position.maintenance_margin(mark), 8),
        "createdTime": str(position.opened_ms),
        "positionIdx": {PositionSide.NET: 0, PositionSide.LONG: 1, PositionSide.SHORT: 2}[side],
        "positionIM": plain(position.initial_margin(mark), 8),
        "seq": position.sequence or -1,
        "updatedTime": str(position.updated_ms),
        "side": _side(position),
        "bustPrice": "",
        "positionBalance": plain(position.margin, 8),
        "leverageSysUpdatedTime": "",
        "size": plain(size),
        "positionStatus": "Normal",
        "mmrSysUpdatedTime": "",
        "stopLoss": "",
        "tradeMode": 0,
    }


def _side(position: Position) -> str:
    if not position.size:
        return ""
    return "Buy" if position.size > 0 else "Sell"


def _flat(exchange: Exchange, account: Account, symbol: str, side: PositionSide) -> Position:
    return Position(
        position_id=0,
        instrument=exchange.market.instrument(symbol),
        side=side,
        margin_mode=account.margin_mode(symbol),
        leverage=account.leverage(symbol, side),
    )


def set_leverage(exchange: Exchange, account: Account, body: dict[str, object]) -> None:
    """Set the leverage. In one-way mode both sides must be equal; the margin mode is the account's."""
    category(body)
    symbol = exchange.market.instrument(text(body, "symbol")).symbol
    buy = number(body.get("buyLeverage"), "buyLeverage")
    sell = number(body.get("sellLeverage"), "sellLeverage")
    if account.position_mode(symbol) is PositionMode.ONE_WAY or buy == sell:
        if buy != sell:
            raise errors.BadParameter("buy leverage not equal sell leverage")
        settings.set_leverage(exchange, account, symbol, buy)
        return
    changed = 0
    for side, leverage in ((PositionSide.LONG, buy), (PositionSide.SHORT, sell)):
        try:
            settings.set_leverage(exchange, account, symbol, leverage, sides=(side,))
            changed += 1
        except errors.LeverageNotModified:
            continue
    if not changed:
        raise errors.LeverageNotModified


def set_margin_mode(exchange: Exchange, account: Account, body: dict[str, object]) -> object:
    """Set the margin mode of the whole account; refused with reasons while positions or orders are open."""
    mode = MARGIN_MODES.get(text(body, "setMarginMode"))
    if mode is None:
        raise errors.BadParameter("setMarginMode invalid")
    try:
        settings.set_margin_mode(account, mode)
    except (errors.PositionExists, errors.OrdersExist) as refused:
        return _margin_mode_failed(exchange, refused)
    return {"reasons": []}


def _margin_mode_failed(exchange: Exchange, refused: errors.DomainError) -> Reply:
    reasons = [{"reasonCode": "3400045", "reasonMsg": refused.text}]
    return json_reply(
        {
            "retCode": 3400045,
            "retMsg": "Set margin mode failed",
            "result": {"reasons": reasons},
            "retExtInfo": {},
            "time": exchange.clock.ms(),
        }
    )


def set_position_mode(exchange: Exchange, account: Account, body: dict[str, object]) -> None:
    """Set the position mode of one symbol or all of a coin."""
    category(body)
    mode = {Decimal(0): PositionMode.ONE_WAY, Decimal(3): PositionMode.HEDGE}.get(
        number(body.get("mode"), "mode")
    )
    if mode is None:
        raise errors.BadParameter("mode invalid")
    symbol = body.get("symbol")
    if symbol is None and body.get("coin") != account.coin:
        raise errors.BadParameter("symbol or coin must be given")
    chosen = exchange.market.instrument(str(symbol)).symbol if symbol is not None else None
    settings.set_position_mode(account, mode, chosen)


def account_info(exchange: Exchange, account: Account) -> dict[str, Any]:
    """Margin mode and kind of the account."""
    isolated = account.default_margin_mode is MarginMode.ISOLATED
    return {
        "marginMode": "ISOLATED_MARGIN" if isolated else "REGULAR_MARGIN",
        "updatedTime": str(exchange.clock.ms()),
        "unifiedMarginStatus": 6,
        "dcpStatus": "OFF",
        "timeWindow": 10,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def key_info(call: Call) -> dict[str, Any]:
    """Permissions and allowed addresses of the key."""
    key = call.key
    assert key is not None
    trade, withdraw = "trade" in key.permissions, "withdraw" in key.permissions
    return {
        "id": str(call.account.uid),
        "note": "emulator",
        "apiKey": key.key,
        "readOnly": 0 if trade else 1,
        "secret": "",
        "permissions": {
            "ContractTrade": ["Order", "Position"] if trade else [],
            "Spot": [],
            "Wallet": ["AccountTransfer", "Withdraw"] if withdraw else [],
            "Options": [],
            "Derivatives": ["DerivativesTrade"] if trade else [],
            "CopyTrading": [],
            "BlockTrade": [],
            "Exchange": [],
            "NFT": [],
            "Affiliate": [],
            "Earn": [],
        },
        "ips": sorted(key.allowed_ips) if key.allowed_ips is not None else ["*"],
        "type": 1,
        "deadlineDay": 83 if key.allowed_ips is None else -2,
        "expiredAt": f"{key.expires_at:%Y-%m-%dT%H:%M:%SZ}" if key.allowed_ips is None else NEVER,
        "createdAt": "2025-10-13T03:20:45Z",
        "unified": 0,
        "uta": 1,
        "userID": call.account.uid,
        "inviterID": 0,
        "vipLevel": "No VIP",
        "mktMakerLevel": "0",
        "affiliateID": 0,
        "rsaPublicKey": "",
        "isMaster": True,
        "parentUid": "0",
        "kycLevel": "LEVEL_1",
        "kycRegion": "",
    }
