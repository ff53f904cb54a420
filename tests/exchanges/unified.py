"""What works at ccxt's largest perpetual exchanges through the plugin ``ccxt``: the table of docs/exchanges.md."""

from __future__ import annotations

import importlib
from typing import Any

from te_exchange_ccxt.adapter.generic import STREAM_METHODS
from te_exchange_ccxt.adapter.profiles import Profile, profile_of

LARGEST = (
    "binance",
    "okx",
    "bitget",
    "gate",
    "hyperliquid",
    "bingx",
    "phemex",
    "htx",
    "coinex",
    "bitmart",
    "xt",
    "whitebit",
)
LISTS = ("fetchOpenOrders", "fetchClosedOrders", "fetchCanceledOrders", "fetchOrders")


def table() -> str:
    """A row for each exchange, from ccxt's own capabilities and the plugin's profiles."""
    lines = [
        "| `exchange` | client order ids | margin mode | hedge mode is refused by | leverage | look-up in | streams |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *(row(exchange) for exchange in LARGEST)])


def row(exchange: str) -> str:
    """Return the row of one exchange; for one that is refused, the message."""
    rest = importlib.import_module("ccxt.async_support")
    pro = importlib.import_module("ccxt.pro")
    if exchange not in rest.exchanges:
        return f"| {exchange} | refused: \"ccxt does not support the exchange '{exchange}'\" | | | | | |"
    profile = profile_of(exchange)
    if profile.refusal:
        return f'| {exchange} | refused: "{exchange}: {profile.refusal}" | | | | | |'
    has = getattr(pro if exchange in pro.exchanges else rest, exchange)().has
    cells = (
        ids(profile),
        margin(profile),
        position_mode(profile, has),
        leverage(profile),
        lookup(has),
        streams(profile, has),
    )
    return f"| {exchange} | {' | '.join(cells)} |"


def ids(profile: Profile) -> str:
    """The form of ids, with their prefix."""
    form = profile.ids
    kinds = {
        62: "letters and digits",
        36: "lower-case letters and digits",
        16: "hexadecimal digits",
        10: "digits",
    }
    before = f"`{profile.prefix}` and " if profile.prefix else ""
    return f"{before}{form.length} {kinds[len(form.alphabet)]}"


def margin(profile: Profile) -> str:
    """Where the margin mode is stated."""
    if profile.mode_in_order:
        return "in every order, and set beforehand" if profile.mode_call else "in every order"
    return "set beforehand" if profile.mode_call else "set with the leverage"


def position_mode(profile: Profile, has: dict[str, Any]) -> str:
    """How hedge mode is detected before the first order."""
    if profile.one_way_only:
        return "does not exist"
    if has.get("fetchPositionMode"):
        return "the account's mode"
    return "the account's settings" if profile.is_hedged else "a position"


def leverage(profile: Profile) -> str:
    """How the leverage is set."""
    if profile.leverage_by_mode_call:
        return "per symbol, by `setMarginMode`"
    added = "".join(f", `{name} = {value}`" for name, value in profile.leverage_params.items())
    return f"per symbol{added}"


def lookup(has: dict[str, Any]) -> str:
    """The order lists that are searched for an id."""
    names = {"fetchOpenOrders": "open", "fetchClosedOrders": "closed", "fetchCanceledOrders": "cancelled"}
    return ", ".join([*(names[name] for name in LISTS if name in names and has.get(name))])


def streams(profile: Profile, has: dict[str, Any]) -> str:
    """What is streamed; the rest is polled."""
    without = "; without `uid` only tickers" if profile.follows_with_uid else ""
    return ", ".join(kind for kind, name in STREAM_METHODS.items() if has.get(name) is True) + without
