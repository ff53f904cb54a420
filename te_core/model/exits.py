"""Exits of a position: take profits, a stop, a trailing stop, and when the stop moves to break-even."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from te_core.errors import SignalRejected


class ExitUnit(StrEnum):
    """The unit of an exit's value."""

    PRICE = "price"
    """A price, in quote currency per base unit."""
    DISTANCE = "distance"
    """A price difference: from the entry; for a trailing stop, from the best price since."""
    PERCENT = "percent"
    """A distance in percent of that price: 2 is 2 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One level. Raises ``SignalRejected`` for invalid values."""

    value: Decimal
    """> 0, in ``unit``; the position determines which side of the price it is on."""
    unit: ExitUnit
    share: Decimal | None = None
    """How much of the position to close there, above 0 and at most 1; None: all that remains."""

    def __post_init__(self) -> None:
        if not self.value.is_finite() or self.value <= 0:
            raise SignalRejected(f"{self.value} is not above zero", field="exits")
        if self.share is not None and not 0 < self.share <= 1:
            raise SignalRejected(f"share {self.share} is out of range: above 0 and at most 1", field="exits")

    @property
    def whole(self) -> bool:
        """Whether it closes all that remains of the position."""
        return self.share in (None, 1)

    def __str__(self) -> str:
        shown = {ExitUnit.PRICE: "", ExitUnit.DISTANCE: " away", ExitUnit.PERCENT: " %"}[self.unit]
        return f"{self.value:f}{shown}" + ("" if self.share is None else f" for {self.share:f}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exits:
    """All exits of one signal, or those from the settings; never empty: without exits, None is used instead."""

    take_profit: tuple[Exit, ...] = ()
    stop_loss: Exit | None = None
    trailing_stop: Exit | None = None
    activation: Exit | None = None
    """How far the price must move in the position's favour before ``trailing_stop`` counts."""
    break_even: Exit | None = None
    """How far the price must move in the position's favour before the stop moves to the entry."""

    def __post_init__(self) -> None:
        if self.trailing_stop is not None and self.trailing_stop.unit is ExitUnit.PRICE:
            raise SignalRejected(
                "a trailing stop must be a distance or a percentage, not a price", field="exits"
            )
        for level in (self.activation, self.break_even):
            if level is not None and level.share is not None:
                raise SignalRejected("activation and break-even cannot have a share", field="exits")

    def over(self, usual: Exits | None) -> Exits:
        """Return these exits with missing ones taken from ``usual``. An activation belongs to its trailing stop."""
        if usual is None:
            return self
        trailing = self if self.trailing_stop is not None else usual
        return Exits(
            take_profit=self.take_profit or usual.take_profit,
            stop_loss=self.stop_loss or usual.stop_loss,
            trailing_stop=trailing.trailing_stop,
            activation=self.activation or trailing.activation,
            break_even=self.break_even or usual.break_even,
        )

    @property
    def target(self) -> Exit | None:
        """The take profit that is applied: the first that closes the whole position."""
        return next((level for level in self.take_profit if level.whole), None)

    @property
    def deviations(self) -> tuple[str, ...]:
        """What is not done as stated, as texts: positions are only closed as a whole."""
        found = []
        for level in self.take_profit:
            if not level.whole:
                found.append(f"take profit {level}, a part of the position, is ignored")
            elif level is not self.target:
                found.append(f"take profit {level} is ignored: the one at {self.target} closes everything")
        for name, stop in (("stop", self.stop_loss), ("trailing stop", self.trailing_stop)):
            if stop is not None and not stop.whole:
                found.append(f"{name} {stop}, a part of the position, closes all of it")
        return tuple(found)

    @property
    def follows_price(self) -> bool:
        """Whether any level moves with the price."""
        return self.trailing_stop is not None or self.break_even is not None

    def __str__(self) -> str:
        parts = [f"take profit {level}" for level in self.take_profit]
        parts += [f"stop {self.stop_loss}"] if self.stop_loss is not None else []
        parts += [f"trailing stop {self.trailing_stop}"] if self.trailing_stop is not None else []
        parts += [f"from {self.activation} on"] if self.activation is not None else []
        parts += [f"break-even after {self.break_even}"] if self.break_even is not None else []
        return ", ".join(parts)
