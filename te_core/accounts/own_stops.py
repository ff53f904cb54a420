"""The stop orders of one symbol that may rest at the exchange, and which of them are in doubt."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from te_core.accounts.pauses import Hold
from te_core.model.order import BestPrice, Intent, StopKind
from te_core.rules.stops import NO_LEVELS, Levels

REMEMBERED = 50
"""How many client order ids are remembered, so that late messages about ended stops are recognised."""


class OwnStops:
    """The state of one symbol's stops, changed by ``te_core.accounts.stops`` alone. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.open: dict[str, Intent] = {}
        """By client order id: stops from when they are journaled until their end is known."""
        self.doubted: dict[str, float] = {}
        """Stops that may no longer rest, and since when that is unknown."""
        self.rest_since: dict[str, float] = {}
        self.levels: Levels = NO_LEVELS
        """The prices at which to exit the position."""
        self.quantity = Decimal(0)
        self.best: BestPrice | None = None
        self.hold: Hold | None = None
        """Why stops are not placed now, and until when."""
        self.passed_at: float | None = None
        self.noted: tuple[str, ...] = ()
        self.foreign_changes = 0
        self._sent_at: dict[str, float] = {}
        self._recent: deque[str] = deque(maxlen=REMEMBERED)

    def restore(self, intent: Intent) -> None:
        """Restore a stop from the journal; whether it still rests is unknown, and any response settles it."""
        self.journaled(intent)
        self.doubted[intent.client_order_id] = float("-inf")

    def journaled(self, intent: Intent) -> None:
        """Add a stop that is in the journal and has not been sent yet."""
        self.open[intent.client_order_id] = intent
        self._recent.append(intent.client_order_id)

    def sent(self, intent: Intent, at: float) -> None:
        """Record when a stop was sent."""
        self._sent_at[intent.client_order_id] = at

    def sent_at(self, intent: Intent, otherwise: float) -> float:
        """Return when a stop was sent; a stop sent by an earlier process counts from ``otherwise``."""
        return self._sent_at.setdefault(intent.client_order_id, otherwise)

    def rests(self, intent: Intent, at: float) -> None:
        """Record that the exchange has confirmed that a stop rests."""
        if intent.client_order_id in self.open:
            self.rest_since.setdefault(intent.client_order_id, at)

    def doubt(self, client_order_id: str, at: float) -> None:
        """Mark a stop as doubtful: it may have been triggered, cancelled, or never accepted."""
        if client_order_id in self.open:
            self.doubted.setdefault(client_order_id, at)

    def position_changed(self, foreign_changes: int, at: float) -> None:
        """Record how often others have changed the position so far; a change may have been a stop, so doubt all."""
        if foreign_changes != self.foreign_changes:
            self.foreign_changes = foreign_changes
            for name in self.open:
                self.doubted.setdefault(name, at)

    def sure(self, intent: Intent) -> None:
        """Clear the doubt about a stop: it still rests."""
        self.doubted.pop(intent.client_order_id, None)

    def ended(self, intent: Intent) -> None:
        """Remove a stop that no longer rests."""
        name = intent.client_order_id
        self.open.pop(name, None)
        for times in (self.doubted, self.rest_since, self._sent_at):
            times.pop(name, None)

    def set_levels(self, at: Levels, quantity: Decimal) -> None:
        """Set the current exit levels and the size of the position."""
        self.levels, self.quantity = at, quantity

    def set_best(self, best: BestPrice) -> None:
        """Set the best price since the position was opened."""
        self.best = best

    def over(self) -> None:
        """Reset what belongs to the position: it is closed, and the next one starts fresh."""
        self.best = self.passed_at = None

    def confirmed(self, quantity: Decimal) -> None:
        """Record the position that orders led to; if it is flat or on the other side, the earlier one has ended."""
        if self.best is not None and quantity * self.best.side.sign <= 0:
            self.over()

    def passed(self, at: float | None) -> float | None:
        """Record since when the price is beyond a level whose stop still rests; None: it is not."""
        self.passed_at = at
        return at

    def set_notes(self, notes: tuple[str, ...]) -> None:
        """Record which notes about the levels have been reported."""
        self.noted = notes

    def set_hold(self, hold: Hold | None) -> None:
        """Set why stops are not placed now; None if they are."""
        self.hold = hold

    def knows(self, client_order_id: str) -> bool:
        """Return whether an id belongs to one of the symbol's recent stops."""
        return client_order_id in self._recent

    def resting(self) -> list[Intent]:
        """Return the stops that rest at the exchange and are not in doubt."""
        return [i for name, i in self.open.items() if name in self.rest_since and name not in self.doubted]

    def covers(self, kind: StopKind, quantity: Decimal) -> bool:
        """Return whether the resting stops of a kind cover all of a position."""
        held = sum((i.quantity for i in self.resting() if i.stop is kind), Decimal(0))
        return held >= abs(quantity) > 0

    def may_cover(self, kind: StopKind, quantity: Decimal) -> bool:
        """Return whether the stops of a kind that may rest, or may be filling just now, cover all of a position."""
        return sum((i.quantity for i in self.open.values() if i.stop is kind), Decimal(0)) >= abs(quantity)

    def in_words(self) -> str:
        """Return the exit levels as text, and whether exchange or engine watches each; empty if there are none."""
        shown = []
        for kind in StopKind:
            if (level := self.levels.of(kind)) is not None:
                who = "exchange" if self.covers(kind, self.quantity) else "engine"
                shown.append(f"{kind} {level:f} ({who})")
        return ", ".join(shown)
