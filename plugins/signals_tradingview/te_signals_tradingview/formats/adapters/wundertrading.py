"""WunderTrading: a code as plain text, or in the field ``code`` of a JSON object.

    ENTER-LONG_BINANCE_BTCUSDT_my-bot_1H_0a1b2c3d4e5f

Its last piece is a secret of the bot: it is neither persisted nor shown.
"""

from __future__ import annotations

import re

from te_core.api import SignalRejected
from te_signals_tradingview.formats.adapters.translation import (
    Act,
    Translation,
    partial_exit,
    present,
    whole,
    without,
)
from te_signals_tradingview.formats.json_body import JsonObject

NAME = "wundertrading"
_CODE = re.compile(r"\s*(ENTER-LONG|ENTER-SHORT|EXIT-LONG|EXIT-SHORT|EXIT-ALL)_", re.IGNORECASE)
_ACTS = {
    "ENTER-LONG": Act(direction="long"),
    "ENTER-SHORT": Act(direction="short"),
    "EXIT-LONG": Act(direction="flat", closes=1),
    "EXIT-SHORT": Act(direction="flat", closes=-1),
    "EXIT-ALL": Act(direction="flat"),
}
_SHAPE = "ENTER-LONG_exchange_pair_name_timeframe_hash"
_LONGEST_PIECE = 64


def is_code(text: object) -> bool:
    """Return whether a text begins like a WunderTrading code."""
    return isinstance(text, str) and _CODE.match(text) is not None


def translate(body: JsonObject) -> Translation:
    """Translate a JSON alert. ``amountPerTrade`` is what the order adds, not a target."""
    code = body.get("code")
    if not isinstance(code, str) or not is_code(code):
        raise SignalRejected("is not a WunderTrading code", field="code", hint=f"the form is {_SHAPE}")
    parsed = parse_code(code)
    if parsed.fields["direction"] == "flat" and "amountPerTrade" in body:
        percents = body.get("amountPerTradeType") == "percents"
        if not (percents and whole(body["amountPerTrade"], of="1")):
            raise partial_exit("amountPerTrade")
    fields = {**without(body, "code"), **parsed.fields}
    return Translation(product=NAME, fields=fields, names=parsed.names, closes=parsed.closes)


def parse_code(text: str) -> Translation:
    """Translate a code. Raises ``SignalRejected`` without showing it."""
    pieces = text.strip().split("_")
    act = _ACTS.get(pieces[0].upper())
    if act is None or len(pieces) < 5 or any(len(piece) > _LONGEST_PIECE for piece in pieces):
        raise SignalRejected("is not a WunderTrading code", field="code", hint=f"the form is {_SHAPE}")
    symbol = f"{pieces[1]}:{pieces[2].replace('/', '')}"
    return Translation(
        product=NAME,
        fields=present(symbol=symbol, direction=act.direction),
        names={"symbol": "code", "direction": "code"},
        closes=act.closes,
    )
