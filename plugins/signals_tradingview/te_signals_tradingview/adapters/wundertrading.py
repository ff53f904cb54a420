"""WunderTrading: a code as plain text, or in the field ``code`` of a JSON object.

    ENTER-LONG_BINANCE_BTCUSDT_my-bot_1H_0a1b2c3d4e5f

Its last piece is a secret of the bot: it is neither kept nor shown.
"""

from __future__ import annotations

import re

from te_core.api import SignalRejected
from te_signals_tradingview.adapters.translation import (
    Act,
    Translation,
    partial_exit,
    present,
    whole,
    without,
)
from te_signals_tradingview.payload import Payload

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
    """Tell a code by how it begins."""
    return isinstance(text, str) and _CODE.match(text) is not None


def translate(payload: Payload) -> Translation:
    """Read a JSON message. ``amountPerTrade`` is what the order adds, no target."""
    code = payload.get("code")
    if not isinstance(code, str) or not is_code(code):
        raise SignalRejected("is no code of WunderTrading", field="code", hint=f"it looks like {_SHAPE}")
    read = read_code(code)
    if read.fields["direction"] == "flat" and "amountPerTrade" in payload:
        percents = payload.get("amountPerTradeType") == "percents"
        if not (percents and whole(payload["amountPerTrade"], of="1")):
            raise partial_exit("amountPerTrade")
    fields = {**without(payload, "code"), **read.fields}
    return Translation(product=NAME, fields=fields, names=read.names, closes=read.closes)


def read_code(text: str) -> Translation:
    """Read a code. Raises ``SignalRejected`` without showing it."""
    pieces = text.strip().split("_")
    act = _ACTS.get(pieces[0].upper())
    if act is None or len(pieces) < 5 or any(len(piece) > _LONGEST_PIECE for piece in pieces):
        raise SignalRejected("is no code of WunderTrading", field="code", hint=f"it looks like {_SHAPE}")
    symbol = f"{pieces[1]}:{pieces[2].replace('/', '')}"
    return Translation(
        product=NAME,
        fields=present(symbol=symbol, direction=act.direction),
        names={"symbol": "code", "direction": "code"},
        closes=act.closes,
    )
