"""An alert as values: the one place where its fields come together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from te_core.api import Exits
from te_signals_tradingview.formats.exits import NO_EXITS, read_exits
from te_signals_tradingview.formats.fields import (
    Direction,
    read_direction,
    read_extra,
    read_leverage,
    read_price,
    read_symbol,
    text_of,
)
from te_signals_tradingview.formats.json_body import JsonObject
from te_signals_tradingview.formats.size import read_depth
from te_signals_tradingview.formats.stated_position import (
    POSITION_FIELDS,
    SIDES,
    StatedPosition,
    read_positions,
)
from te_signals_tradingview.formats.timestamps import read_time


class Alert(NamedTuple):
    """What an alert states, and when it arrived."""

    symbol: str
    """In the sender's spelling."""
    depth: Decimal
    """Target exposure: -1 … 1 of what the source may steer on the symbol."""
    received_at: datetime
    """By our clock."""
    leverage: Decimal | None = None
    price: Decimal | None = None
    sequence: str | None = None
    """``signal_seq``: a number or text that grows."""
    event_id: str | None = None
    time: datetime | None = None
    """As stated by the alert; None if no field has a readable time."""
    fired_field: str | None = None
    """The field that states when the alert fired; None if none does."""
    flat: bool = False
    """Whether its direction is flat; without a direction, whether its depth is zero."""
    position: StatedPosition = StatedPosition(0)
    """The strategy's own position after its order."""
    previous_position: StatedPosition | None = None
    """The strategy's own position before its order; None if it is not stated."""
    closes: int = 0
    """1 for an alert that closes a long and nothing else, -1 for a short."""
    product: str = ""
    """The product whose format it is in; empty for our own."""
    symbol_field: str = "symbol"
    """What the sender calls the symbol."""
    exits: Exits | None = None
    """Take-profits and stops."""
    exits_unread: tuple[str, ...] = ()
    """Fields with take-profits and stops that cannot be parsed."""
    extra: Mapping[str, Any] = MappingProxyType({})
    """Fields that mean nothing here, for the record."""
    dropped: int = 0
    """How many extra fields were too long to persist."""


def read_alert(
    fields: JsonObject,
    *,
    received_at: datetime,
    extra_limit: int,
    share: Decimal | None = None,
    closes: int = 0,
    product: str = "",
    symbol_field: str = "symbol",
) -> Alert:
    """Build an alert from its fields. Raises ``SignalRejected`` naming the first field that is wrong.

    ``share`` is the size of a position that states none. ``closes``, ``product`` and ``symbol_field`` are those of
    ``Alert``, for a translated alert.
    """
    symbol = read_symbol(fields)
    direction = read_direction(fields)
    time = read_time(fields, received_at)
    depth = read_depth(fields, direction, share=share, product=product)
    side = SIDES[direction] if direction is not None else (depth > 0) - (depth < 0)
    position, previous_position = read_positions(fields, side)
    exits = (read_exits(fields) if depth else None) or NO_EXITS
    used = exits.plain | {time.field} | (POSITION_FIELDS if previous_position is not None else frozenset())
    extra, dropped = read_extra(fields, used, extra_limit)
    return Alert(
        symbol=symbol,
        depth=depth,
        received_at=received_at,
        leverage=read_leverage(fields, direction),
        price=read_price(fields),
        sequence=text_of(fields, "signal_seq"),
        event_id=text_of(fields, "event_id"),
        time=time.at,
        fired_field=time.fired_field,
        flat=direction is Direction.FLAT if direction is not None else depth == 0,
        position=position,
        previous_position=previous_position,
        closes=closes,
        product=product,
        symbol_field=symbol_field,
        exits=exits.exits,
        exits_unread=exits.unread,
        extra=extra,
        dropped=dropped,
    )
