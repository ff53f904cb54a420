"""TradingView's own names for a strategy: ``market_position`` and so on, named like its placeholders.

{"ticker": "BTCUSDT.P", "market_position": "long", "prev_market_position": "flat", "size": "50/100"}
"""

from __future__ import annotations

from te_signals_tradingview.formats.adapters.translation import Translation, exchange_and, present, without
from te_signals_tradingview.formats.json_body import JsonObject

NAME = "placeholders"
MARKS = frozenset({"market_position", "strategy.market_position"})
_DOTTED = "strategy."


def translate(body: JsonObject) -> Translation:
    """Translate by ``market_position``. ``contracts`` and ``position_size`` are units, never a share."""
    plain = {name.removeprefix(_DOTTED): value for name, value in body.items()}
    sized = plain.get("market_position_size", plain.get("position_size"))
    fields = {
        **without(plain, "market_position", "exchange", "order.action", "order.price", "position_size"),
        **present(
            symbol=exchange_and(plain.get("symbol") or plain.get("ticker"), plain.get("exchange")),
            direction=plain.get("market_position"),
            action=plain.get("action") or plain.get("order.action"),
            price=plain.get("price") or plain.get("order.price"),
            market_position_size=sized,
        ),
    }
    return Translation(product=NAME, fields=fields, names={"direction": "market_position"})
