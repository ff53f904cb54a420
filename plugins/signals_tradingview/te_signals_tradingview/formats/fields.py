"""The fields of an alert that are plain text or a number, each parsed on its own and refused by its name."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import StrEnum
from typing import Any

from te_core.api import SignalRejected
from te_signals_tradingview.auth import tokens
from te_signals_tradingview.auth.redaction import hide
from te_signals_tradingview.formats.json_body import JsonObject
from te_signals_tradingview.formats.numbers import number, quoted

_LONGEST = 200
_LARGEST_LEVERAGE = Decimal(1000)
_SMALLEST_PRICE = Decimal("1e-12")
_LARGEST_PRICE = Decimal("1e12")
_USED = frozenset(
    {"symbol", "direction", "action", "size", "leverage", "price", "signal_seq", "event_id", tokens.FIELD}
)
"""Fields that mean something in every alert; the others are extra unless a caller used them."""


class Direction(StrEnum):
    """The position that a strategy holds after its order (``{{strategy.market_position}}``)."""

    LONG = "long"
    SHORT = "short"
    FLAT = "flat"


_DIRECTIONS = {direction.value: direction for direction in Direction}


def text_of(fields: JsonObject, name: str) -> str | None:
    """Return a field's text; None if it is absent, null or blank. Raises ``SignalRejected`` naming the field."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise SignalRejected("a text or a number is expected", field=name)
    text = value.strip()
    if len(text) > _LONGEST:
        raise SignalRejected(f"is longer than {_LONGEST} characters", field=name)
    if "{{" in text:
        hint = "check the placeholder's spelling; those of strategies work only in a strategy's alert"
        raise SignalRejected(f"TradingView did not fill in {quoted(text)}", field=name, hint=hint)
    return text or None


def text_unless_flat(fields: JsonObject, name: str, direction: Direction | None) -> str | None:
    """Return a field's text, or None for an exit: nothing wrong in what an exit does not need may refuse it."""
    return None if direction is Direction.FLAT else text_of(fields, name)


def read_symbol(fields: JsonObject) -> str:
    """Return ``symbol``, else ``ticker``, in the sender's spelling."""
    symbol = text_of(fields, "symbol") or text_of(fields, "ticker")
    if symbol is None:
        raise SignalRejected("is missing", field="symbol", hint='add "symbol": "{{ticker}}" to the message')
    return symbol


def read_direction(fields: JsonObject) -> Direction | None:
    """Return ``direction``; None if it is not stated."""
    text = text_of(fields, "direction")
    if text is None:
        return None
    direction = _DIRECTIONS.get(text.lower())
    if direction is None:
        raise SignalRejected(
            f"{quoted(text)} is none of long, short, flat",
            field="direction",
            hint="it is what {{strategy.market_position}} becomes",
        )
    return direction


def read_action(fields: JsonObject) -> str | None:
    """Return ``action``, ``buy`` or ``sell``; None if it is not stated."""
    text = text_of(fields, "action")
    if text is not None and text.lower() not in {"buy", "sell"}:
        raise SignalRejected(f"{quoted(text)} is neither buy nor sell", field="action")
    return text.lower() if text is not None else None


def read_leverage(fields: JsonObject, direction: Direction | None) -> Decimal | None:
    """Return ``leverage``; None for an exit, or if it is not stated."""
    text = text_unless_flat(fields, "leverage", direction)
    return _amount(text, "leverage", Decimal(0), _LARGEST_LEVERAGE)


def read_price(fields: JsonObject) -> Decimal | None:
    """Return ``price``, else ``order_price``; None if neither is stated."""
    return _price(fields, "price") or _price(fields, "order_price")


def _price(fields: JsonObject, name: str) -> Decimal | None:
    return _amount(text_of(fields, name), name, _SMALLEST_PRICE, _LARGEST_PRICE)


def _amount(text: str | None, name: str, smallest: Decimal, largest: Decimal) -> Decimal | None:
    """Parse a number above zero; zero means "not stated", as in older alert templates (``"0.0"``)."""
    if text is None:
        return None
    value = number(text, name)
    if not value:
        return None
    if not smallest <= value <= largest:
        raise SignalRejected(f"{quoted(text)} is not between {smallest} and {largest}", field=name)
    return +value  # rounded to the precision of the decimal context


def read_extra(fields: JsonObject, used: frozenset[str], limit: int) -> tuple[JsonObject, int]:
    """Return the fields that mean nothing here, in their order, and how many did not fit into ``limit`` characters.

    ``used``: fields that were used besides those that mean something in every alert. Secrets are hidden.
    """
    extra: JsonObject = {}
    dropped = 0
    for name, value in fields.items():
        if name in _USED or name in used or value is None or (isinstance(value, str) and not value.strip()):
            continue
        limit -= len(name) + _length(value)
        if limit < 0:
            dropped += 1
        else:
            extra[name] = hide(name, value)
    return extra, dropped


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) else len(json.dumps(value, ensure_ascii=False))
