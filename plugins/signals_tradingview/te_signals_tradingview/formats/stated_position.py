"""A position as a strategy states it, and whether two statements mean the same position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from te_signals_tradingview.formats.json_body import JsonObject
from te_signals_tradingview.formats.numbers import to_number

SIDES = {"long": 1, "short": -1, "flat": 0}
NAMES = {side: name for name, side in SIDES.items()}
POSITION_FIELDS = frozenset({"market_position_size", "prev_market_position", "prev_market_position_size"})

_DUST = Decimal("1e-9")
"""Relative tolerance: TradingView adds sizes as binary fractions, and 0.30000000000000004 is 0.3."""


@dataclass(frozen=True, slots=True)
class StatedPosition:
    """The strategy's own position, in its own units. It orders alerts and is never a size to hold."""

    side: int
    """1, -1 or 0."""
    size: Decimal | None = None
    """Never negative; None if it is not stated."""

    @classmethod
    def parse(cls, side: object, size: object) -> Self | None:
        """Parse the values of a strategy's placeholders; None if the side is none of long, short, flat."""
        found = SIDES.get(side.strip().lower()) if isinstance(side, str) else None
        if found is None:
            return None
        number = to_number(size.strip()) if isinstance(size, str) else None
        return cls(found, None if number is None else abs(number))

    @classmethod
    def from_detail(cls, detail: Mapping[str, Any] | None) -> Self | None:
        """Restore a position from a signal's detail; None if the detail has none."""
        return None if detail is None else cls.parse(detail["side"], detail.get("size"))

    @classmethod
    def of_depth(cls, depth: Decimal) -> Self:
        """Return the side of a depth, without a size."""
        return cls((depth > 0) - (depth < 0))

    def to_detail(self) -> dict[str, str]:
        """Return what a signal's detail stores."""
        sized = {} if self.size is None else {"size": f"{self.size:f}"}
        return {"side": NAMES[self.side], **sized}

    def matches(self, other: StatedPosition) -> bool:
        """Return whether both can be the same position: equal sides, and equal sizes if both state one."""
        if self.side != other.side:
            return False
        if self.side == 0 or self.size is None or other.size is None:
            return True
        return abs(self.size - other.size) <= _DUST * max(self.size, other.size)

    def __str__(self) -> str:
        return NAMES[self.side] if self.size is None else f"{NAMES[self.side]} {self.size:f}"


_WITHOUT_SIZE = {side: StatedPosition(side) for side in NAMES}


def read_positions(fields: JsonObject, side: int) -> tuple[StatedPosition, StatedPosition | None]:
    """Return the strategy's position after its order, and the one before it (None if it is not stated).

    ``side`` is the side that the alert asks for. Nothing here refuses an alert: an unreadable statement is ignored.
    """
    previous = StatedPosition.parse(
        fields.get("prev_market_position"), fields.get("prev_market_position_size")
    )
    if previous is None:
        return _WITHOUT_SIZE[side], None
    size = fields.get("market_position_size")
    return StatedPosition.parse(NAMES[side], size) or _WITHOUT_SIZE[0], previous
