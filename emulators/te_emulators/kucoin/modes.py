"""Settings of the account: margin mode, position mode, cross leverage, the key's permissions."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from te_emulators.core import errors, settings
from te_emulators.core.account import Account
from te_emulators.core.exchange import Exchange
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide
from te_emulators.kucoin.codes import code_of
from te_emulators.wire.call import Call, Handler, Route
from te_emulators.wire.figures import number, plain, text

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.kucoin.server import KucoinServer

Row = dict[str, Any]


def routes(server: KucoinServer) -> list[Route]:
    """Routes of settings."""
    return [
        *margin_mode_routes(server.exchange),
        *position_mode_routes(),
        *leverage_routes(server.exchange),
        Route(method="GET", path="/api/v1/user/api-key", kind="account", handler=key_info),
    ]


def margin_mode_routes(exchange: Exchange) -> list[Route]:
    """Per contract."""

    def read(call: Call) -> object:
        symbol = exchange.market.instrument(text(dict(call.parameters), "symbol")).symbol
        return {"symbol": symbol, "marginMode": call.account.margin_mode(symbol).value.upper()}

    def change(call: Call) -> object:
        mode = _margin_mode(call.json)
        symbol = exchange.market.instrument(text(call.json, "symbol")).symbol
        _change_margin_mode(call.account, mode, symbol)
        return {"symbol": symbol, "marginMode": mode.value.upper()}

    def change_several(call: Call) -> object:
        symbols = call.json.get("symbols")
        if not isinstance(symbols, list) or not symbols:
            raise errors.BadParameter("symbols must be a list")
        return batch_margin_mode(exchange, call.account, _margin_mode(call.json), [str(s) for s in symbols])

    return [
        _setting("GET", "/api/v2/position/getMarginMode", read),
        _setting("POST", "/api/v2/position/changeMarginMode", change),
        _setting("POST", "/api/v2/position/batchChangeMarginMode", change_several),
    ]


def position_mode_routes() -> list[Route]:
    """For the whole account."""

    def read(call: Call) -> object:
        return {"positionMode": int(call.account.default_position_mode is PositionMode.HEDGE)}

    def switch(call: Call) -> object:
        wanted = number(call.json.get("positionMode"), "positionMode")
        mode = PositionMode.HEDGE if wanted == 1 else PositionMode.ONE_WAY
        if mode is not call.account.default_position_mode:
            settings.set_position_mode(call.account, mode)
        return {"positionMode": int(wanted)}

    return [
        _setting("GET", "/api/v2/position/getPositionMode", read),
        _setting("POST", "/api/v2/position/switchPositionMode", switch),
    ]


def leverage_routes(exchange: Exchange) -> list[Route]:
    """The leverage of cross positions, per contract; an isolated one gets it from its orders."""

    def read(call: Call) -> object:
        symbol = exchange.market.instrument(text(dict(call.parameters), "symbol")).symbol
        return {"symbol": symbol, "leverage": plain(_cross_leverage(call.account, symbol))}

    def change(call: Call) -> object:
        change_cross_leverage(exchange, call.account, call.json)
        return True

    return [
        _setting("GET", "/api/v2/getCrossUserLeverage", read, "leverage"),
        _setting("POST", "/api/v2/changeCrossUserLeverage", change, "leverage"),
    ]


def _setting(method: str, path: str, handler: Handler, kind: str = "settings") -> Route:
    permission = "read" if method == "GET" else "trade"
    return Route(method=method, path=path, kind=kind, handler=handler, permission=permission)


def _margin_mode(body: dict[str, object]) -> MarginMode:
    if body.get("marginMode") not in {"ISOLATED", "CROSS"}:
        raise errors.BadParameter("marginMode must be ISOLATED or CROSS")
    return MarginMode(str(body["marginMode"]).lower())


def _change_margin_mode(account: Account, mode: MarginMode, symbol: str) -> None:
    """Setting the current mode is a success; a change is refused while orders or a position exist."""
    if account.margin_mode(symbol) is not mode:
        settings.set_margin_mode(account, mode, symbol)


def batch_margin_mode(exchange: Exchange, account: Account, mode: MarginMode, symbols: list[str]) -> Row:
    """Nominally a success, with the current modes and an error for each refused one."""
    modes: dict[str, str] = {}
    refused = []
    for symbol in symbols:
        try:
            _change_margin_mode(account, mode, exchange.market.instrument(symbol).symbol)
        except errors.DomainError as error:
            found = code_of(error)
            refused.append({"code": found.code, "msg": found.text, "symbol": symbol})
        modes[symbol] = account.margin_mode(symbol).value.upper()
    return {"marginMode": modes, "errors": refused}


def _cross_leverage(account: Account, symbol: str) -> Decimal:
    return account.leverage(symbol, PositionSide.NET, MarginMode.CROSS)


def change_cross_leverage(exchange: Exchange, account: Account, body: dict[str, object]) -> None:
    """Set the leverage of cross positions in a contract, including open ones."""
    symbol = exchange.market.instrument(text(body, "symbol")).symbol
    wanted = number(body.get("leverage"), "leverage")
    highest = exchange.market.instrument(symbol).max_leverage
    if wanted > highest:
        raise errors.LeverageTooHigh(f"The leverage cannot be greater than {plain(highest)}.")
    if wanted != _cross_leverage(account, symbol):
        settings.set_leverage(exchange, account, symbol, wanted, margin_mode=MarginMode.CROSS)


def key_info(call: Call) -> Row:
    """Permissions and allowed addresses of the key."""
    key = call.key
    assert key is not None
    rights = {"read": "General", "trade": "Futures", "transfer": "InnerTransfer", "withdraw": "Withdrawal"}
    return {
        "remark": call.account.name,
        "apiKey": key.key,
        "apiVersion": 3,
        "permission": ",".join(name for right, name in rights.items() if right in key.permissions),
        **({"ipWhitelist": ",".join(sorted(key.allowed_ips))} if key.allowed_ips is not None else {}),
        "createdAt": 1728443843000,
        "uid": call.account.uid,
        "isMaster": True,
    }
