"""The ``size`` of an alert: the target position as a share of what the strategy may use, never an increment.

With the direction it becomes the depth: the target exposure, from -1 (the whole share short) to 1 (the whole share
long), of what this source may steer.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from te_core.api import SignalRejected
from te_signals_tradingview.formats.fields import Direction, read_action, text_unless_flat
from te_signals_tradingview.formats.json_body import JsonObject
from te_signals_tradingview.formats.numbers import quoted, to_number
from te_signals_tradingview.formats.stated_position import SIDES

_HINT = 'write "14.08/100", "14.08%" or 0.1408'


def read_depth(
    fields: JsonObject, direction: Direction | None, *, share: Decimal | None, product: str
) -> Decimal:
    """Return the target exposure that an alert states, -1 … 1.

    ``share`` is the size of a position that states none. ``product`` is the product whose format the alert is in;
    empty for our own. Raises ``SignalRejected``.
    """
    size = text_unless_flat(fields, "size", direction)
    if size is None and direction is not None and direction is not Direction.FLAT:
        if share is not None:
            return SIDES[direction] * share
        if product:
            raise SignalRejected(
                "the side is stated, but not which share of the whole; the amount of an order is not a share",
                field="size",
                hint='add "size": "50/100" to the message, or set share for this source',
            )
    return depth(size, direction, read_action(fields))


def depth(size: str | None, direction: Direction | None, action: str | None = None) -> Decimal:
    """Convert size and direction to a depth (target exposure), -1 … 1.

    ``flat`` needs no size and ignores one, so an exit is never refused because of its size. Without a direction the
    sign of the size decides. Raises ``SignalRejected`` if they contradict each other or are ambiguous.
    """
    if direction is Direction.FLAT:
        return Decimal(0)
    if size is None:
        missing, hint = ("direction", "send long, short or flat") if direction is None else ("size", _HINT)
        raise SignalRejected("is missing", field=missing, hint=hint)
    if size.lower().startswith("exit"):
        return _exit(size, direction)
    share = parse_share(size)
    if direction is None:
        return _undirected(share, size, action)
    if direction is Direction.LONG and share < 0:
        raise SignalRejected(
            f"{quoted(size)} is negative, but direction is long", field="size", hint="send one of them"
        )
    return -abs(share) if direction is Direction.SHORT and share else abs(share)


@lru_cache(maxsize=512)
def parse_share(size: str) -> Decimal:
    """Parse ``14.08/100``, ``-50%`` or ``0.5`` as a signed share, -1 … 1. Raises ``SignalRejected``."""
    numerator, slash, denominator = size.partition("/")
    over: Decimal | None = Decimal(1)
    if slash:
        over = to_number(denominator.strip())
    elif size.endswith("%"):
        numerator, over = size[:-1], Decimal(100)
    part = to_number(numerator.strip())
    if part is None or over is None:
        raise SignalRejected(f"{quoted(size)} is not a size", field="size", hint=_HINT)
    if over <= 0:
        raise SignalRejected(f"{quoted(size)} divides by {over:f}: not above zero", field="size", hint=_HINT)
    if abs(part) > over:
        hint = _HINT + "; a size is a share of the whole, not a number of contracts"
        raise SignalRejected(f"{quoted(size)} is more than the whole", field="size", hint=hint)
    return part / over + 0  # turns -0 into 0


def _exit(size: str, direction: Direction | None) -> Decimal:
    if direction is not None:
        raise SignalRejected(
            f"{quoted(size)} is an exit, but direction is {direction}",
            field="size",
            hint="after a partial exit send the share that remains; send flat when nothing does",
        )
    return Decimal(0)


def _undirected(share: Decimal, size: str, action: str | None) -> Decimal:
    if action == "sell" and share > 0:
        raise SignalRejected(
            f"is missing: action sell with size {quoted(size)} may mean a short or a smaller long",
            field="direction",
            hint="send long, short or flat",
        )
    return share
