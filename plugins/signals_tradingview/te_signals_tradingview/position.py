"""A position as a strategy states it, and whether two statements mean one position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from te_signals_tradingview.number import to_number

SIDES = {"long": 1, "short": -1, "flat": 0}
_DUST = Decimal("1e-9")
"""TradingView adds sizes up as binary fractions: 0.30000000000000004 is 0.3."""

NAMES = {side: name for name, side in SIDES.items()}


@dataclass(frozen=True, slots=True)
class Stance:
    """``side``: 1, -1 or 0. ``size``: its size in the strategy's own units, never negative; None where unstated."""

    side: int
    size: Decimal | None = None

    @classmethod
    def read(cls, side: object, size: object) -> Self | None:
        """Read what a strategy's placeholders became; None where the side is none of long, short, flat."""
        found = SIDES.get(side.strip().lower()) if isinstance(side, str) else None
        if found is None:
            return None
        number = to_number(size.strip()) if isinstance(size, str) else None
        return cls(found, None if number is None else abs(number))

    @classmethod
    def recall(cls, kept: Mapping[str, Any] | None) -> Self | None:
        """Give back what ``kept`` made."""
        return None if kept is None else cls.read(kept["side"], kept.get("size"))

    def kept(self) -> dict[str, str]:
        """Give it as a signal's detail keeps it."""
        sized = {} if self.size is None else {"size": f"{self.size:f}"}
        return {"side": NAMES[self.side], **sized}

    def matches(self, other: Stance) -> bool:
        """Tell whether both may be one position: one side, and one size where both state it. Numbers are numbers."""
        if self.side != other.side:
            return False
        if self.side == 0 or self.size is None or other.size is None:
            return True
        return abs(self.size - other.size) <= _DUST * max(self.size, other.size)

    def __str__(self) -> str:
        return NAMES[self.side] if self.size is None else f"{NAMES[self.side]} {self.size:f}"
