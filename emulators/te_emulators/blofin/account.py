"""Balance, margin mode, position mode and leverage of an account; permissions of a key."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from te_emulators.blofin.codes import CodedError, cross_orders_open, empty, wrong
from te_emulators.blofin.figures import long
from te_emulators.core import errors, margin, settings
from te_emulators.core.account import Account
from te_emulators.core.exchange import Exchange
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import number, plain

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.blofin.server import BlofinServer

Answer = Callable[["BlofinServer", Call], object]
POSITION_MODES = {"net_mode": PositionMode.ONE_WAY, "long_short_mode": PositionMode.HEDGE}
WIDEST = 20
"""Maximum number of instruments in one request for leverages."""


def routes(server: BlofinServer) -> list[Route]:
    """Routes of the account."""
    reads: list[tuple[str, str, Answer]] = [
        ("account/balance", "balance", futures_balance),
        ("asset/balances", "balance", asset_balances),
        ("asset/bills", "ledger", transfers),
        ("asset/currencies", "other", lambda *_: [{"currency": "USDT", "chain": "TRC20"}]),
        ("account/margin-mode", "account", margin_mode),
        ("account/position-mode", "account", position_mode),
        ("account/leverage-info", "account", lambda server, call: leverages(server, call)[0]),
        ("account/batch-leverage-info", "account", leverages),
        ("account/config", "account", lambda *_: {"accountLevel": "0"}),
        ("user/query-apikey", "account", key_info),
    ]
    writes: list[tuple[str, str, Answer]] = [
        ("account/set-leverage", "leverage", set_leverage),
        ("account/set-margin-mode", "settings", set_margin_mode),
        ("account/set-position-mode", "settings", set_position_mode),
    ]
    return [
        *(
            Route(method="GET", path=f"/api/v1/{path}", kind=kind, handler=partial(answer, server))
            for path, kind, answer in reads
        ),
        *(
            Route(
                method="POST",
                path=f"/api/v1/{path}",
                kind=kind,
                handler=partial(answer, server),
                permission="trade",
            )
            for path, kind, answer in writes
        ),
    ]


def futures_balance(server: BlofinServer, call: Call) -> dict[str, Any]:
    """Return the balance; a lead trader's money may be in the copy-trading account instead."""
    found = balance(server.exchange, call.account)
    return {**found, "details": []} if call.account.name in server.copy_traders else found


def balance(exchange: Exchange, account: Account, *, pushed: bool = False) -> dict[str, Any]:
    """Return the futures account: "balance" is the wallet, "frozen" what open orders and isolated positions bind."""
    market, ms = exchange.market, str(exchange.clock.ms())
    equity = margin.equity(account, market)
    ordered = margin.order_margin(account)
    isolated = sum((p.margin for p in account.held() if p.margin_mode is MarginMode.ISOLATED), Decimal(0))
    profit = margin.unrealised(account, market, MarginMode.ISOLATED)
    free = max(margin.available(account, market), Decimal(0))
    last = {"unrealizedPnl": long(margin.unrealised(account, market))} if pushed else {"bonus": "0"}
    row = {
        "currency": account.coin,
        "equity": long(equity),
        "balance": long(account.ledger.wallet),
        "ts": ms,
        "isolatedEquity": long(isolated + profit),
        "available": long(free),
        "availableEquity": long(free),
        "frozen": long(ordered + isolated),
        "orderFrozen": long(ordered),
        "equityUsd": long(equity),
        "isolatedUnrealizedPnl": long(profit),
        **last,
    }
    return {
        "ts": ms,
        "totalEquity": long(equity),
        "isolatedEquity": long(isolated + profit),
        "details": [row],
    }


def asset_balances(server: BlofinServer, call: Call) -> list[dict[str, str]]:
    """Return the balances of one account; only the futures account holds anything."""
    kind = call.parameters.get("accountType")
    if kind not in {"futures", "funding", "copy_trading", "earn", "spot"}:
        raise empty("accountType") if not kind else wrong("accountType")
    if kind != "futures":
        return []
    row = balance(server.exchange, call.account)["details"][0]
    return [{name: row[name] for name in ("currency", "balance", "available", "frozen", "bonus")}]


def transfers(server: BlofinServer, call: Call) -> list[dict[str, str]]:
    """Return transfers, newest first; each has a twin between two other accounts of the same user."""
    asked = call.parameters
    here = "copy_trading" if call.account.name in server.copy_traders else "futures"
    limit = int(number(asked.get("limit", "100"), "limit"))
    rows: list[dict[str, str]] = []
    for paid in reversed(call.account.payments):
        if paid.symbol or paid.at_ms >= int(asked.get("after") or 1 << 60):
            continue
        way = (here, "funding") if paid.amount < 0 else ("funding", here)
        for nth, (start, end) in enumerate((way, ("funding", "earn"))):
            rows.append(
                {
                    "transferId": str(3_000 + 2 * paid.number + nth),
                    "currency": call.account.coin,
                    "fromAccount": start,
                    "toAccount": end,
                    "amount": long(abs(paid.amount)),
                    "ts": str(paid.at_ms),
                    "clientId": "",
                }
            )
    return [row for row in rows if asked.get("currency") in {None, row["currency"]}][:limit]


def leverages(server: BlofinServer, call: Call) -> list[dict[str, str]]:
    """Return the leverages of up to 20 instruments in one margin mode."""
    names = [name for name in call.parameters.get("instId", "").split(",") if name]
    if not names:
        raise empty("instId")
    if len(names) > WIDEST:
        raise CodedError("152015", "Number of instId values exceeds the maximum limit of 20")
    mode = margin_mode_of(call.parameters)
    hedged = call.account.default_position_mode is PositionMode.HEDGE
    sides = (PositionSide.LONG, PositionSide.SHORT) if hedged else (PositionSide.NET,)
    return [
        {
            "leverage": plain(
                call.account.leverage(server.exchange.market.instrument(name).symbol, side, mode)
            ),
            "marginMode": mode.value,
            "instId": name,
            "positionSide": side.value,
        }
        for name in names
        for side in sides
    ]


def set_leverage(server: BlofinServer, call: Call) -> dict[str, str]:
    """Set the leverage in one margin mode, for both sides; in hedge mode with isolated margin, for one."""
    exchange, account, body = server.exchange, call.account, call.json
    symbol = exchange.market.instrument(str(body.get("instId"))).symbol
    leverage, mode = number(body.get("leverage"), "leverage"), margin_mode_of(body)
    if leverage != leverage.to_integral_value():
        raise wrong("leverage")
    sides = _sides(account, symbol, mode, body.get("positionSide"))
    pending = any(o.margin_mode is MarginMode.CROSS for o in account.orders_open(symbol))
    if mode is MarginMode.CROSS and pending:
        raise cross_orders_open()
    try:
        settings.set_leverage(exchange, account, symbol, leverage, margin_mode=mode, sides=sides)
    except errors.LeverageNotModified:
        if server.unknowns.leverage_unchanged is not None:
            raise CodedError(server.unknowns.leverage_unchanged, "Leverage is not modified") from None
    return {
        "leverage": plain(leverage),
        "marginMode": mode.value,
        "instId": symbol,
        "positionSide": sides[0].value,
    }


def _sides(account: Account, symbol: str, mode: MarginMode, side: object) -> tuple[PositionSide, ...]:
    if account.position_mode(symbol) is PositionMode.ONE_WAY:
        return (PositionSide.NET,)
    if mode is MarginMode.CROSS:
        return (PositionSide.LONG, PositionSide.SHORT)
    if side not in {"long", "short"}:
        raise empty("positionSide")
    return (PositionSide(str(side)),)


def margin_mode_of(arguments: dict[str, Any]) -> MarginMode:
    """The margin mode of a request."""
    mode = arguments.get("marginMode")
    if not mode:
        raise empty("marginMode")
    if mode not in {"cross", "isolated"}:
        raise wrong("marginMode")
    return MarginMode(str(mode))


def key_info(server: BlofinServer, call: Call) -> dict[str, Any]:
    """Return what the key may do; type 2 is bound to a broker."""
    key = call.key
    assert key is not None
    return {
        "uid": str(call.account.uid),
        "apiName": "emulator",
        "apiKey": key.key,
        "readOnly": 0 if "trade" in key.permissions else 1,
        "ips": sorted(key.allowed_ips or ()),
        "type": 2 if key.key in server.brokers else 1,
        "expireTime": f"{key.expires_at.timestamp() * 1000:.0f}" if key.allowed_ips is None else "0",
        "createTime": "1697026383085",
        "referralCode": "blofin",
        "parentUid": "0",
    }


def margin_mode(server: BlofinServer, call: Call) -> dict[str, str]:
    """The whole account's."""
    del server
    return {"marginMode": call.account.default_margin_mode.value}


def set_margin_mode(server: BlofinServer, call: Call) -> dict[str, str]:
    """Refused while orders or positions are open."""
    _unless_unchanged(settings.set_margin_mode, call.account, margin_mode_of(call.json))
    return margin_mode(server, call)


def position_mode(server: BlofinServer, call: Call) -> dict[str, str]:
    """The whole account's."""
    del server
    modes = POSITION_MODES.items()
    return {"positionMode": next(name for name, mode in modes if mode is call.account.default_position_mode)}


def set_position_mode(server: BlofinServer, call: Call) -> dict[str, str]:
    """Refused while orders or positions are open."""
    mode = POSITION_MODES.get(str(call.json.get("positionMode")))
    if mode is None:
        raise wrong("positionMode")
    _unless_unchanged(settings.set_position_mode, call.account, mode)
    return position_mode(server, call)


def _unless_unchanged(change: Any, account: Account, mode: object) -> None:
    try:
        change(account, mode)
    except errors.NotModified:
        return
