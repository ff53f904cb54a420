"""The ``size`` of an alert: the target position as a share of what the strategy may use, never an increment."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from te_core.api import SignalRejected
from te_signals_tradingview.number import quoted, to_number

_HINT = 'write "14.08/100", "14.08%" or 0.1408'


class Direction(StrEnum):
    """The position that a strategy holds after its order (``{{strategy.market_position}}``)."""

    LONG = "long"
    SHORT = "short"
    FLAT = "flat"


def depth(size: str | None, direction: Direction | None, action: str | None = None) -> Decimal:
    """Turn size and direction into a signed depth, -1 … 1.

    ``flat`` needs no size and ignores one: an exit never fails because of it. Without a direction the sign of the
    size decides. Raises ``SignalRejected`` when they contradict each other or leave a doubt.
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
            f"{quoted(size)} is negative, and direction says long", field="size", hint="send one of them"
        )
    return -abs(share) if direction is Direction.SHORT and share else abs(share)


@lru_cache(maxsize=512)
def parse_share(size: str) -> Decimal:
    """Read ``14.08/100``, ``-50%`` or ``0.5`` as a signed share, -1 … 1. Raises ``SignalRejected``."""
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
    return part / over + 0  # which makes -0 a plain 0


def _exit(size: str, direction: Direction | None) -> Decimal:
    if direction is not None:
        raise SignalRejected(
            f"{quoted(size)} says exit, and direction says {direction}",
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
