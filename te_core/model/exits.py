"""Where a source wants a position to be left: take-profits, a stop, a trailing stop. Kept, and not acted on yet."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from te_core.errors import SignalRejected


class ExitUnit(StrEnum):
    """What the value of an exit is."""

    PRICE = "price"
    """A price, in quote currency per base unit."""
    DISTANCE = "distance"
    """A difference of prices: from the entry, for a trailing stop from the best price since."""
    PERCENT = "percent"
    """The same in percent of that price: 2 is 2 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One level. Raises ``SignalRejected`` for values that mean nothing."""

    value: Decimal
    """> 0, in ``unit``; which side of the price it is on follows from the position."""
    unit: ExitUnit
    share: Decimal | None = None
    """How much of the position leaves there, above 0 and at most 1; None: all that is left of it."""

    def __post_init__(self) -> None:
        if not self.value.is_finite() or self.value <= 0:
            raise SignalRejected(f"{self.value} is not above zero", field="exits")
        if self.share is not None and not 0 < self.share <= 1:
            raise SignalRejected(f"a share of {self.share} is not above 0 and at most 1", field="exits")

    def __str__(self) -> str:
        shown = {ExitUnit.PRICE: "", ExitUnit.DISTANCE: " away", ExitUnit.PERCENT: " %"}[self.unit]
        return f"{self.value:f}{shown}" + ("" if self.share is None else f" for {self.share:f}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exits:
    """All exits of one signal; a source that states none has no ``Exits``."""

    take_profit: tuple[Exit, ...] = ()
    stop_loss: Exit | None = None
    trailing_stop: Exit | None = None

    def __post_init__(self) -> None:
        if self.trailing_stop is not None and self.trailing_stop.unit is ExitUnit.PRICE:
            raise SignalRejected("a trailing stop is a distance or percent, no price", field="exits")

    def __str__(self) -> str:
        parts = [f"take profit {level}" for level in self.take_profit]
        parts += [f"stop {self.stop_loss}"] if self.stop_loss is not None else []
        parts += [f"trailing stop {self.trailing_stop}"] if self.trailing_stop is not None else []
        return ", ".join(parts)
