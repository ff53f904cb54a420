"""The stop orders of one symbol that may rest at the exchange, and what is not known about them."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from te_core.accounts.pauses import Hold
from te_core.model.order import BestPrice, Intent, StopKind
from te_core.rules.stops import NO_LEVELS, Levels

REMEMBERED = 50
"""Client order ids of ended stops by which later messages about them are recognised."""


class OwnStops:
    """Changed by ``te_core.accounts.stops`` alone. Times are steady-clock seconds.

    ``open``: by client order id, from when a stop is journaled until its end is known. ``doubted``: those of which it
    is not known whether they still rest, and since when. ``levels``: where the position is to be left; ``hold``: why
    stops are not placed now, and until when.
    """

    def __init__(self) -> None:
        self.open: dict[str, Intent] = {}
        self.doubted: dict[str, float] = {}
        self.rest_since: dict[str, float] = {}
        self.levels: Levels = NO_LEVELS
        self.quantity = Decimal(0)
        self.best: BestPrice | None = None
        self.hold: Hold | None = None
        self.passed_at: float | None = None
        self.noted: tuple[str, ...] = ()
        self.foreign_changes = 0
        self._sent_at: dict[str, float] = {}
        self._recent: deque[str] = deque(maxlen=REMEMBERED)

    def restore(self, intent: Intent) -> None:
        """Take up a stop that the journal has; whether it still rests is not known, and any answer tells it."""
        self.journaled(intent)
        self.doubted[intent.client_order_id] = float("-inf")

    def journaled(self, intent: Intent) -> None:
        """Note a stop that is in the journal and has not left yet."""
        self.open[intent.client_order_id] = intent
        self._recent.append(intent.client_order_id)

    def sent(self, intent: Intent, at: float) -> None:
        """Note when a stop left."""
        self._sent_at[intent.client_order_id] = at

    def sent_at(self, intent: Intent, otherwise: float) -> float:
        """Return when a stop left; one that an earlier process sent counts from ``otherwise``."""
        return self._sent_at.setdefault(intent.client_order_id, otherwise)

    def rests(self, intent: Intent, at: float) -> None:
        """Note that the exchange has shown that it holds a stop."""
        if intent.client_order_id in self.open:
            self.rest_since.setdefault(intent.client_order_id, at)

    def doubt(self, client_order_id: str, at: float) -> None:
        """Note that a stop may have been triggered, cancelled, or never taken."""
        if client_order_id in self.open:
            self.doubted.setdefault(client_order_id, at)

    def position_changed(self, foreign_changes: int, at: float) -> None:
        """Note how often others changed the position so far; a change may have been a stop."""
        if foreign_changes != self.foreign_changes:
            self.foreign_changes = foreign_changes
            for name in self.open:
                self.doubted.setdefault(name, at)

    def sure(self, intent: Intent) -> None:
        """Note that a stop rests as it did."""
        self.doubted.pop(intent.client_order_id, None)

    def ended(self, intent: Intent) -> None:
        """Forget a stop that does not rest any more."""
        name = intent.client_order_id
        self.open.pop(name, None)
        for times in (self.doubted, self.rest_since, self._sent_at):
            times.pop(name, None)

    def set_levels(self, at: Levels, quantity: Decimal) -> None:
        """Note where the position is left by now, and how large it is."""
        self.levels, self.quantity = at, quantity

    def set_best(self, best: BestPrice) -> None:
        """Note the best price since the position was opened."""
        self.best = best

    def over(self) -> None:
        """Note that there is no position any more: the next one begins anew."""
        self.best = self.passed_at = None

    def confirmed(self, quantity: Decimal) -> None:
        """Note the position that orders led to: one that is flat, or on the other side, ends what was before it."""
        if self.best is not None and quantity * self.best.side.sign <= 0:
            self.over()

    def passed(self, at: float | None) -> float | None:
        """Note since when the price is beyond a level whose stop rests; None: it is not."""
        self.passed_at = at
        return at

    def set_notes(self, notes: tuple[str, ...]) -> None:
        """Note what was reported of the levels."""
        self.noted = notes

    def set_hold(self, hold: Hold | None) -> None:
        """Note why stops are not placed now; None: they are."""
        self.hold = hold

    def knows(self, client_order_id: str) -> bool:
        """Return whether an id is that of one of the symbol's recent stops."""
        return client_order_id in self._recent

    def resting(self) -> list[Intent]:
        """Return the stops that rest at the exchange as far as is known."""
        return [i for name, i in self.open.items() if name in self.rest_since and name not in self.doubted]

    def covers(self, kind: StopKind, quantity: Decimal) -> bool:
        """Return whether stops of a kind rest at the exchange for all of a position."""
        held = sum((i.quantity for i in self.resting() if i.stop is kind), Decimal(0))
        return held >= abs(quantity) > 0

    def may_cover(self, kind: StopKind, quantity: Decimal) -> bool:
        """Return whether stops of a kind may rest for all of a position, or may be filling just now."""
        return sum((i.quantity for i in self.open.values() if i.stop is kind), Decimal(0)) >= abs(quantity)

    def in_words(self) -> str:
        """Say where the position is left, and who watches that; empty where it has no levels."""
        shown = []
        for kind in StopKind:
            if (level := self.levels.of(kind)) is not None:
                who = "exchange" if self.covers(kind, self.quantity) else "engine"
                shown.append(f"{kind} {level:f} ({who})")
        return ", ".join(shown)
