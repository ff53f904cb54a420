"""What to paste into TradingView: the message of an alert. Pure."""

from __future__ import annotations

import json
from enum import StrEnum

from te_core.api import SignalRejected
from te_signals_tradingview.size import Direction, parse_share


class Kind(StrEnum):
    """What the alert is set on."""

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
"""One alert for all orders of a strategy; the order's comment is the share that shall be held after it."""

INDICATOR = {
    "symbol": "{{exchange}}:{{ticker}}",
    "direction": "",
    "size": "",
    "price": "{{close}}",
    "timenow": "{{timenow}}",
}
"""An indicator knows no position, so each of its alerts says one."""

_INDICATOR_SIDES = (Direction.LONG, Direction.SHORT, Direction.FLAT)


def messages(kind: Kind, *, size: str | None = None, symbol: str | None = None) -> dict[str, str]:
    """Give the messages by what each is for, as JSON text.

    ``size``: the share of every position, instead of the order's comment. ``symbol``: instead of the chart's.
    Raises ``SignalRejected`` for a size that is none.
    """
    if size is not None and parse_share(size) <= 0:
        raise SignalRejected("is not above zero", field="size", hint="the side comes from the alert")
    if kind is Kind.STRATEGY:
        own = {} if size is None else {"size": size}
        return {"every order of the strategy": _text({**STRATEGY, **own}, symbol)}
    return {f"{side} alert": _text(_indicator(side, size or "100/100"), symbol) for side in _INDICATOR_SIDES}


def _indicator(side: Direction, size: str) -> dict[str, str]:
    said = {**INDICATOR, "direction": side, "size": size}
    return (
        said if side is not Direction.FLAT else {name: text for name, text in said.items() if name != "size"}
    )


def _text(message: dict[str, str], symbol: str | None) -> str:
    own = {} if symbol is None else {"symbol": symbol}
    return json.dumps({**message, **own}, indent=2, ensure_ascii=False)
