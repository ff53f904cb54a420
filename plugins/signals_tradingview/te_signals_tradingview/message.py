"""The fields of an alert, each read on its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from te_core.api import Exits, SignalRejected
from te_signals_tradingview import moment, tokens
from te_signals_tradingview.credentials import hide
from te_signals_tradingview.exit_fields import read_exits
from te_signals_tradingview.number import number, quoted
from te_signals_tradingview.payload import Payload
from te_signals_tradingview.position import NAMES, SIDES, Stance
from te_signals_tradingview.size import Direction, depth

_LONGEST = 200
_LARGEST_LEVERAGE = Decimal(1000)
_SMALLEST_PRICE = Decimal("1e-12")
_LARGEST_PRICE = Decimal("1e12")
_READ = frozenset(
    {"symbol", "direction", "action", "size", "leverage", "price", "signal_seq", "event_id", tokens.FIELD}
)
_DIRECTIONS = {direction.value: direction for direction in Direction}
_STANCE = {side: Stance(side) for side in NAMES}
_STANCES = frozenset({"market_position_size", "prev_market_position", "prev_market_position_size"})


class Message(NamedTuple):
    """What an alert says, and when it reached us (our clock).

    ``symbol`` in the sender's spelling; ``depth`` -1 … 1; ``time`` None where none is stated that can be read.
    ``clock``: the field that said when the alert fired; None where nothing did. ``flat``: it says so.
    ``stance`` and ``came_from``: the strategy's position after and before its order, the latter None where unstated.
    ``closes``: 1 or -1 for an alert that closes a position of that side only. ``product``: whose format it is in;
    ``symbol_field``: what it calls the symbol.
    ``exits``: take-profits and stops; ``exits_unread``: fields of such that cannot be understood.
    ``extra``: fields that mean nothing here, for the record; ``dropped``: how many of them were too long to keep.
    """

    symbol: str
    depth: Decimal
    received_at: datetime
    leverage: Decimal | None = None
    price: Decimal | None = None
    sequence: str | None = None
    event_id: str | None = None
    time: datetime | None = None
    clock: str | None = None
    flat: bool = False
    stance: Stance = Stance(0)
    came_from: Stance | None = None
    closes: int = 0
    product: str = ""
    symbol_field: str = "symbol"
    exits: Exits | None = None
    exits_unread: tuple[str, ...] = ()
    extra: Mapping[str, Any] = MappingProxyType({})
    dropped: int = 0


def read_message(
    payload: Payload,
    *,
    received_at: datetime,
    extra_limit: int,
    share: Decimal | None = None,
    closes: int = 0,
    product: str = "",
    symbol_field: str = "symbol",
) -> Message:
    """Read a payload. Raises ``SignalRejected`` naming the first name that is wrong.

    ``share``: the size of a position that states none. ``closes``, ``product``: what is known of a translated message.
    """
    symbol = _symbol(payload)
    direction = _direction(payload)
    said_at, time_field = _time(payload, received_at)
    clock = time_field if time_field in moment.FIRED else None
    if said_at is not None and clock is not None:
        _refuse_late(payload, said_at, received_at)
    wanted = _depth(payload, direction, share, product)
    came_from = Stance.read(payload.get("prev_market_position"), payload.get("prev_market_position_size"))
    read = _READ if came_from is None else _READ | _STANCES
    stated = read_exits(payload) if wanted else None
    if stated is not None:
        read |= stated.plain
    extra, dropped = _extra(payload, read, time_field, extra_limit)
    return Message(
        symbol=symbol,
        depth=wanted,
        received_at=received_at,
        leverage=_amount(
            _unless_flat(payload, "leverage", direction), "leverage", Decimal(0), _LARGEST_LEVERAGE
        ),
        price=_price(payload, "price") or _price(payload, "order_price"),
        sequence=_text(payload, "signal_seq"),
        event_id=_text(payload, "event_id"),
        time=said_at,
        clock=clock,
        flat=direction is Direction.FLAT if direction is not None else wanted == 0,
        stance=_stance(payload, direction, wanted) if came_from is not None else _side(direction, wanted),
        came_from=came_from,
        closes=closes,
        product=product,
        symbol_field=symbol_field,
        exits=stated.exits if stated is not None else None,
        exits_unread=stated.unread if stated is not None else (),
        extra=extra,
        dropped=dropped,
    )


def _text(payload: Payload, name: str) -> str | None:
    """Give a field's text; None where it is absent, null or blank."""
    value = payload.get(name)
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


def _symbol(payload: Payload) -> str:
    symbol = _text(payload, "symbol") or _text(payload, "ticker")
    if symbol is None:
        raise SignalRejected("is missing", field="symbol", hint='add "symbol": "{{ticker}}" to the message')
    return symbol


def _direction(payload: Payload) -> Direction | None:
    text = _text(payload, "direction")
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


def _action(payload: Payload) -> str | None:
    text = _text(payload, "action")
    if text is not None and text.lower() not in {"buy", "sell"}:
        raise SignalRejected(f"{quoted(text)} is neither buy nor sell", field="action")
    return text.lower() if text is not None else None


def _depth(payload: Payload, direction: Direction | None, share: Decimal | None, product: str) -> Decimal:
    size = _unless_flat(payload, "size", direction)
    if size is None and direction is not None and direction is not Direction.FLAT:
        if share is not None:
            return SIDES[direction] * share
        if product:
            raise SignalRejected(
                "the side is stated, and not which share of the whole it is; amounts of orders are none",
                field="size",
                hint='add "size": "50/100" to the message, or set share for this source',
            )
    return depth(size, direction, _action(payload))


def _side(direction: Direction | None, wanted: Decimal) -> Stance:
    return _STANCE[SIDES[direction] if direction is not None else (wanted > 0) - (wanted < 0)]


def _stance(payload: Payload, direction: Direction | None, wanted: Decimal) -> Stance:
    side = NAMES[_side(direction, wanted).side]
    return Stance.read(side, payload.get("market_position_size")) or Stance(0)


def _refuse_late(payload: Payload, said_at: datetime, received_at: datetime) -> None:
    """Raise ``SignalRejected`` for a message that came later than it says it may."""
    name = "max_lag" if "max_lag" in payload else "maxLag"
    text = _text(payload, name)
    if text is None:
        return
    late = (received_at - said_at).total_seconds()
    if late > number(text, name):
        raise SignalRejected(
            f"it fired {late:.0f} s ago, and says that it may be {quoted(text)} s old",
            field=name,
            hint="nothing to do: the sender wants late alerts dropped",
        )


def _unless_flat(payload: Payload, name: str, direction: Direction | None) -> str | None:
    """Do not even look at what an exit does not need: nothing in it shall keep us in a position."""
    return None if direction is Direction.FLAT else _text(payload, name)


def _price(payload: Payload, name: str) -> Decimal | None:
    return _amount(_text(payload, name), name, _SMALLEST_PRICE, _LARGEST_PRICE)


def _amount(text: str | None, name: str, smallest: Decimal, largest: Decimal) -> Decimal | None:
    """Read a number above zero; zero stands for "none", as in the template of old (``"0.0"``)."""
    if text is None:
        return None
    value = number(text, name)
    if not value:
        return None
    if not smallest <= value <= largest:
        raise SignalRejected(f"{quoted(text)} is not between {smallest} and {largest}", field=name)
    return +value  # to the precision that is calculated with


def _time(payload: Payload, received_at: datetime) -> tuple[datetime | None, str]:
    for name in moment.FIELDS:
        text = payload.get(name)
        said_at = moment.parse_moment(text.strip()) if isinstance(text, str) else None
        if said_at is not None:
            return moment.not_ahead(said_at, str(text), name, received_at), name
    return None, ""


def _extra(payload: Payload, read: frozenset[str], time_field: str, limit: int) -> tuple[Payload, int]:
    """Keep the unknown fields, in their order, as long as all of them together are short enough."""
    extra: Payload = {}
    dropped = 0
    for name, value in payload.items():
        if (
            name in read
            or name == time_field
            or value is None
            or (isinstance(value, str) and not value.strip())
        ):
            continue
        limit -= len(name) + _length(value)
        if limit < 0:
            dropped += 1
        else:
            extra[name] = hide(name, value)
    return extra, dropped


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) else len(json.dumps(value, ensure_ascii=False))
