"""The messages to paste into TradingView. Pure."""

from __future__ import annotations

import json
from enum import StrEnum

from te_core.api import SignalRejected
from te_signals_tradingview.formats.fields import Direction
from te_signals_tradingview.formats.size import parse_share


class Kind(StrEnum):
    """What an alert is set on."""

    STRATEGY = "strategy"
    INDICATOR = "indicator"


STRATEGY = {
    "symbol": "{{exchange}}:{{ticker}}",
    "direction": "{{strategy.market_position}}",
    "action": "{{strategy.order.action}}",
    "size": "{{strategy.order.comment}}",
    "leverage": "{{strategy.order.alert_message}}",
    "price": "{{strategy.order.price}}",
    "market_position_size": "{{strategy.market_position_size}}",
    "prev_market_position": "{{strategy.prev_market_position}}",
    "prev_market_position_size": "{{strategy.prev_market_position_size}}",
    "timenow": "{{timenow}}",
}
"""One alert for all orders of a strategy; the order's comment is the share to hold after it."""

INDICATOR = {
    "symbol": "{{exchange}}:{{ticker}}",
    "direction": "",
    "size": "",
    "price": "{{close}}",
    "timenow": "{{timenow}}",
}
"""An indicator has no position, so each of its alerts states one."""

_INDICATOR_SIDES = (Direction.LONG, Direction.SHORT, Direction.FLAT)


def messages(kind: Kind, *, size: str | None = None, symbol: str | None = None) -> dict[str, str]:
    """Return the messages as JSON text, by their purpose.

    ``size`` is the share of every position, instead of the order's comment; ``symbol`` replaces the chart's symbol.
    Raises ``SignalRejected`` for an invalid size.
    """
    if size is not None and parse_share(size) <= 0:
        raise SignalRejected("is not above zero", field="size", hint="the side comes from the alert")
    if kind is Kind.STRATEGY:
        own = {} if size is None else {"size": size}
        return {"every order of the strategy": _text({**STRATEGY, **own}, symbol)}
    return {f"{side} alert": _text(_indicator(side, size or "100/100"), symbol) for side in _INDICATOR_SIDES}


def _indicator(side: Direction, size: str) -> dict[str, str]:
    fields = {**INDICATOR, "direction": side, "size": size}
    return (
        fields
        if side is not Direction.FLAT
        else {name: text for name, text in fields.items() if name != "size"}
    )


def _text(message: dict[str, str], symbol: str | None) -> str:
    own = {} if symbol is None else {"symbol": symbol}
    return json.dumps({**message, **own}, indent=2, ensure_ascii=False)
