"""TradersPost: ``sentiment`` states the resulting position, ``action`` alone mostly does not.

{"ticker": "{{ticker}}", "action": "{{strategy.order.action}}", "sentiment": "{{strategy.market_position}}",
 "quantity": "{{strategy.order.contracts}}", "price": "{{close}}", "time": "{{timenow}}"}
"""

from __future__ import annotations

from te_core.api import SignalRejected
from te_signals_tradingview.formats.adapters.translation import (
    Translation,
    no_target,
    partial_exit,
    present,
    whole,
    without,
    word,
)
from te_signals_tradingview.formats.json_body import JsonObject
from te_signals_tradingview.formats.numbers import quoted

NAME = "traderspost"
MARKS = frozenset({"sentiment", "quantityType", "signalPrice"})
ACTIONS = frozenset({"exit", "cancel", "add"})
"""Words that no other product uses as an action."""

_SENTIMENTS = {"bullish": "long", "long": "long", "bearish": "short", "short": "short", "flat": "flat"}
_CONSUMED = ("sentiment", "action", "time", "signalPrice", "extras")


def translate(body: JsonObject) -> Translation:
    """Translate by ``sentiment``, or ``exit`` for flat. ``quantity`` is what the order adds, not a target."""
    action = word(body, "action")
    fields = {
        **without(body, *_CONSUMED),
        **present(
            symbol=body.get("symbol") or body.get("ticker"),
            direction=_direction(body, action),
            action=action if action in ("buy", "sell") else None,
            price=body.get("price") or body.get("signalPrice"),
            timenow=body.get("timenow") or body.get("time"),
            extras=body.get("extras"),
        ),
    }
    names = {"symbol": "ticker", "direction": "sentiment", "timenow": "time"}
    return Translation(product=NAME, fields=fields, names=names)


def _direction(body: JsonObject, action: str) -> str:
    sentiment = word(body, "sentiment")
    if action == "cancel":
        raise SignalRejected(
            "it cancels orders at TradersPost; there are none here",
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
    if "quantity" in body and not (
        word(body, "quantityType") == "percent_of_position" and whole(body["quantity"], of="100")
    ):
        raise partial_exit("quantity")
    return "flat"
