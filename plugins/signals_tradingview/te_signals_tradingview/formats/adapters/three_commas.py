"""3Commas signal bot: strategy messages with ``strategy_info``, and custom ones with ``enter_long`` and the like.

{"secret": "…", "max_lag": "300", "timestamp": "{{timenow}}", "trigger_price": "{{close}}",
 "tv_exchange": "{{exchange}}", "tv_instrument": "{{ticker}}", "action": "{{strategy.order.action}}",
 "bot_uuid": "…", "strategy_info": {"market_position": "{{strategy.market_position}}",
 "market_position_size": "…", "prev_market_position": "…", "prev_market_position_size": "…"},
 "order": {"amount": "{{strategy.order.contracts}}", "currency_type": "base"}}
"""

from __future__ import annotations

from te_signals_tradingview.formats.adapters.translation import (
    Translation,
    entered_or_exited,
    exchange_and,
    inner,
    present,
    whole,
    without,
    word,
)
from te_signals_tradingview.formats.json_body import JsonObject

NAME = "3commas"
MARKS = frozenset({"bot_uuid", "strategy_info", "tv_instrument", "tv_exchange"})
_CONSUMED = ("secret", "bot_uuid", "tv_exchange", "tv_instrument", "strategy_info", "action", "trigger_price")


def translate(body: JsonObject) -> Translation:
    """Translate by ``strategy_info.market_position``, else by the action.

    ``order.amount`` is what the order adds, not a target.
    """
    info, order = inner(body, "strategy_info"), inner(body, "order")
    action = word(body, "action")
    everything = word(order, "currency_type") == "position_percent" and whole(order.get("amount"), of="100")
    act = entered_or_exited(
        action,
        stated="market_position" in info,
        hint='add "strategy_info": {"market_position": "{{strategy.market_position}}", …}',
        amount="order.amount",
        part="amount" in order and not everything,
    )
    fields = {
        **without(body, *_CONSUMED),
        **present(
            symbol=exchange_and(body.get("tv_instrument"), body.get("tv_exchange")),
            direction=act.direction if act else info.get("market_position"),
            action=None if act else action,
            price=order.get("price") or body.get("trigger_price"),
            market_position_size=info.get("market_position_size"),
            prev_market_position=info.get("prev_market_position"),
            prev_market_position_size=info.get("prev_market_position_size"),
        ),
    }
    names = {
        "symbol": "tv_instrument",
        "direction": "strategy_info.market_position",
        "price": "trigger_price",
    }
    return Translation(product=NAME, fields=fields, names=names, closes=act.closes if act else 0)
