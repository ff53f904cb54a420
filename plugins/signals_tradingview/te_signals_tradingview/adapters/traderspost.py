"""TradersPost: ``sentiment`` states the position that shall result, ``action`` alone mostly does not.

{"ticker": "{{ticker}}", "action": "{{strategy.order.action}}", "sentiment": "{{strategy.market_position}}",
 "quantity": "{{strategy.order.contracts}}", "price": "{{close}}", "time": "{{timenow}}"}
"""

from __future__ import annotations

from te_core.api import SignalRejected
from te_signals_tradingview.adapters.translation import (
    Translation,
    no_target,
    partial_exit,
    present,
    whole,
    without,
    word,
)
from te_signals_tradingview.number import quoted
from te_signals_tradingview.payload import Payload

NAME = "traderspost"
MARKS = frozenset({"sentiment", "quantityType", "signalPrice"})
ACTIONS = frozenset({"exit", "cancel", "add"})
"""Words that nobody else uses as an action."""

_SENTIMENTS = {"bullish": "long", "long": "long", "bearish": "short", "short": "short", "flat": "flat"}
_TAKEN = ("sentiment", "action", "time", "signalPrice", "extras")


def translate(payload: Payload) -> Translation:
    """Take ``sentiment`` for the direction, or ``exit`` for flat. ``quantity`` is what the order adds, no target."""
    action = word(payload, "action")
    fields = {
        **without(payload, *_TAKEN),
        **present(
            symbol=payload.get("symbol") or payload.get("ticker"),
            direction=_direction(payload, action),
            action=action if action in ("buy", "sell") else None,
            price=payload.get("price") or payload.get("signalPrice"),
            timenow=payload.get("timenow") or payload.get("time"),
            extras=payload.get("extras"),
        ),
    }
    names = {"symbol": "ticker", "direction": "sentiment", "timenow": "time"}
    return Translation(product=NAME, fields=fields, names=names)


def _direction(payload: Payload, action: str) -> str:
    sentiment = word(payload, "sentiment")
    if action == "cancel":
        raise SignalRejected(
            "it cancels orders at TradersPost: there are none here",
            field="action",
            hint="leave this alert out",
        )
    if sentiment:
        direction = _SENTIMENTS.get(sentiment)
        if direction is None:
            reason = f"{quoted(sentiment)} is none of bullish, bearish, long, short, flat"
            raise SignalRejected(reason, field="sentiment", hint='send "{{strategy.market_position}}"')
        return direction
    if action != "exit":
        raise no_target(action, "action", 'add "sentiment": "{{strategy.market_position}}" to the message')
    if "quantity" in payload and not (
        word(payload, "quantityType") == "percent_of_position" and whole(payload["quantity"], of="100")
    ):
        raise partial_exit("quantity")
    return "flat"
