"""Take-profits and stops of an alert, in our own fields, those of TradersPost, or those of 3Commas.

An exit that cannot be parsed does not refuse the alert, whose position matters more: it is named in the signal and
persisted unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from te_core.api import Exit, Exits, ExitUnit
from te_signals_tradingview.formats.json_body import JsonObject
from te_signals_tradingview.formats.numbers import to_number

_TAKE_PROFIT, _STOP, _TRAIL = "take_profit", "stop_loss", "trailing_stop"
_ACTIVATION, _BREAK_EVEN = "activation", "break_even"
_NAMES = {
    **dict.fromkeys(("takeprofit", "take_profit", "takeProfit"), _TAKE_PROFIT),
    **dict.fromkeys(("stoploss", "stop_loss", "stopLoss"), _STOP),
    **dict.fromkeys(("trailstop", "trailing_stop", "trailingStop"), _TRAIL),
    **dict.fromkeys(("trailactivation", "trailing_activation", "trailingActivation"), _ACTIVATION),
    **dict.fromkeys(("breakeven", "break_even", "breakEven"), _BREAK_EVEN),
}
_BARE = {
    **dict.fromkeys((_TAKE_PROFIT, _STOP), ExitUnit.PRICE),
    **dict.fromkeys((_TRAIL, _ACTIVATION, _BREAK_EVEN), ExitUnit.DISTANCE),
}
"""The unit of a number without a percent sign."""

_VALUES = {
    "percent": ExitUnit.PERCENT,
    "percents": ExitUnit.PERCENT,
    "trailPercent": ExitUnit.PERCENT,
    "amount": ExitUnit.DISTANCE,
    "trailAmount": ExitUnit.DISTANCE,
    "price": ExitUnit.PRICE,
    "limitPrice": ExitUnit.PRICE,
    "stopPrice": ExitUnit.PRICE,
    "trigger_price": ExitUnit.PRICE,
}
_TRAILING = frozenset({"trailPercent", "trailAmount"})
_SHARES = ("amount_percents", "volume")
"""How much of the position a step closes, in percent."""

_UNITS = {"percent": ExitUnit.PERCENT, "percents": ExitUnit.PERCENT, "price": ExitUnit.PRICE}
_NONE = frozenset({"", "none", "null", "false"})
_MOST_STEPS = 20
_HIGHEST = Decimal("1e12")


class StatedExits(NamedTuple):
    """The exits that an alert states."""

    exits: Exits | None
    plain: frozenset[str]
    """Fields whose whole content is in ``exits``."""
    unread: tuple[str, ...]
    """Fields that cannot be parsed."""


NO_EXITS = StatedExits(None, frozenset(), ())


class _Unread(Exception):
    """A value that cannot be parsed."""


class _Found(NamedTuple):
    kind: str
    level: Exit


def read_exits(fields: JsonObject) -> StatedExits | None:
    """Return the exits of an alert; None if it has no field for them."""
    names = [name for name in fields if name in _NAMES]
    if not names:
        return None
    found: list[_Found] = []
    plain, unread = set(), []
    for name in names:
        try:
            found += _levels(_NAMES[name], fields[name])
        except _Unread:
            unread.append(name)
            continue
        if not isinstance(fields[name], dict | list):
            plain.add(name)
    return StatedExits(_exits(found), frozenset(plain), tuple(unread))


def _exits(found: list[_Found]) -> Exits | None:
    """Combine levels; of two stops of one kind the first counts."""
    if not found:
        return None
    first = dict(reversed(found))
    return Exits(
        take_profit=tuple(level for kind, level in found if kind == _TAKE_PROFIT),
        stop_loss=first.get(_STOP),
        trailing_stop=first.get(_TRAIL),
        activation=first.get(_ACTIVATION),
        break_even=first.get(_BREAK_EVEN),
    )


def _levels(kind: str, value: Any) -> list[_Found]:
    if isinstance(value, list) or (isinstance(value, dict) and kind in (_ACTIVATION, _BREAK_EVEN)):
        raise _Unread
    if isinstance(value, dict):
        return list(_of_object(kind, value))
    if value is None or (isinstance(value, str) and value.strip().lower() in _NONE):
        return []
    level = _level(value, _BARE[kind])
    return [] if level is None else [_Found(kind, level)]


def _of_object(kind: str, value: JsonObject) -> Iterator[_Found]:
    if _is_off(value.get("enabled", "true")):
        return
    steps = value.get("steps")
    if steps is None:
        yield from _of_step(kind, value)
        return
    if kind != _TAKE_PROFIT or not isinstance(steps, list) or not 0 < len(steps) <= _MOST_STEPS:
        raise _Unread
    for step in steps:
        if not isinstance(step, dict):
            raise _Unread
        yield from _of_step(kind, step)


def _of_step(kind: str, value: JsonObject) -> Iterator[_Found]:
    """Parse one level: the one field that states it, and whether it trails."""
    trails = value.get("type") == "trailing_stop" or not _is_off(value.get("trailing", "false"))
    names = [name for name in _VALUES if name in value and (name in _TRAILING) == trails]
    if trails and not names:
        names = [name for name in _VALUES if name in value]
    if value.get("type") == "stop_limit":  # an exit here has no limit price, only the one that triggers it
        names = [name for name in names if name != "limitPrice"]
    if len(names) != 1:
        raise _Unread
    if trails and kind == _TAKE_PROFIT:
        raise _Unread
    name = names[0]
    level = _level(*_valued(value[name], _VALUES[name]), share=_share(value))
    if level is not None:
        trailing = trails or kind == _TRAIL
        if trailing and level.unit is ExitUnit.PRICE:
            raise _Unread
        yield _Found(_TRAIL if trailing else kind, level)


def _valued(value: Any, unit: ExitUnit) -> tuple[Any, ExitUnit]:
    """Unwrap ``{"value": 2, "type": "percent"}``, whose type states the unit."""
    if not isinstance(value, dict):
        return value, unit
    stated = _UNITS.get(str(value.get("type", "")).lower())
    if stated is None or "value" not in value:
        raise _Unread
    return value["value"], stated


def _share(value: JsonObject) -> Decimal | None:
    name = next((name for name in _SHARES if name in value), None)
    if name is None:
        return None
    percent = to_number(str(value[name]).strip().removesuffix("%"))
    if percent is None or not 0 < percent <= 100:
        raise _Unread
    return percent / 100


def _level(value: Any, unit: ExitUnit, *, share: Decimal | None = None) -> Exit | None:
    """Parse a value; 0 means "not stated", as in older alert templates."""
    if not isinstance(value, str):
        raise _Unread
    text = value.strip()
    if text.endswith("%"):
        unit, text = ExitUnit.PERCENT, text.removesuffix("%").rstrip()
    number = to_number(text)
    if number is None or not 0 <= number <= _HIGHEST:
        raise _Unread
    if not number:
        return None
    return Exit(value=+number, unit=unit, share=share)


def _is_off(value: Any) -> bool:
    return value is False or str(value).strip().lower() in {"false", "0", ""}
