"""The signal bots of OKX and BloFin: ``marketPosition`` of a strategy, or ``ENTER_LONG`` and the like.

{"id": "{{strategy.order.id}}", "action": "{{strategy.order.action}}",
 "marketPosition": "{{strategy.market_position}}", "prevMarketPosition": "{{strategy.prev_market_position}}",
 "instrument": "{{ticker}}", "signalToken": "…", "timestamp": "{{timenow}}", "maxLag": "60",
 "investmentType": "base", "amount": "{{strategy.order.contracts}}"}
"""

from __future__ import annotations

from te_signals_tradingview.formats.adapters.translation import (
    Translation,
    entered_or_exited,
    present,
    whole,
    without,
    word,
)
from te_signals_tradingview.formats.json_body import JsonObject

NAME = "okx"
MARKS = frozenset({"signalToken", "marketPosition", "prevMarketPosition", "instrument"})
_CONSUMED = (
    "signalToken",
    "instrument",
    "action",
    "marketPosition",
    "prevMarketPosition",
    "marketPositionSize",
    "prevMarketPositionSize",
)


def translate(body: JsonObject) -> Translation:
    """Translate by ``marketPosition``, else by the action. ``amount`` is what the order adds, not a target."""
    action = word(body, "action")
    everything = word(body, "investmentType") == "percentage_position" and whole(body.get("amount"), of="100")
    act = entered_or_exited(
        action,
        stated="marketPosition" in body,
        hint='add "marketPosition": "{{strategy.market_position}}" to the message',
        amount="amount",
        part="amount" in body and not everything,
    )
    fields = {
        **without(body, *_CONSUMED),
        **present(
            symbol=body.get("instrument"),
            direction=act.direction if act else body.get("marketPosition"),
            action=None if act else action,
            market_position_size=body.get("marketPositionSize"),
            prev_market_position=body.get("prevMarketPosition"),
            prev_market_position_size=body.get("prevMarketPositionSize"),
        ),
    }
    names = {"symbol": "instrument", "direction": "marketPosition"}
    return Translation(product=NAME, fields=fields, names=names, closes=act.closes if act else 0)
