"""Where our own orders lead a position, so that a read which does not show them yet is told from a present one. Pure.

An exchange may answer a read with a fresh time and an old position for a moment after it has executed an order. Such
a read would have the same order made again (I5, I13).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """One symbol's latest own orders, in signed base units.

    ``low`` and ``high`` bound every position since before the first of them, ``end`` is the one that they lead to;
    None: not known (they were settled by another process). ``at``: when the last outcome was learnt, monotonic.
    """

    low: Decimal | None = None
    high: Decimal | None = None
    end: Decimal | None = None
    at: float = float("-inf")

    def moved(self, change: Decimal, at: float) -> Trail:
        """Add an order that is known to have changed the position by ``change``."""
        end = None if self.end is None else self.end + change
        if self.low is None or self.high is None or end is None:
            return replace(self, end=end, at=at)
        return Trail(low=min(self.low, end), high=max(self.high, end), end=end, at=at)

    def onwards(self, quantity: Decimal, oldest: float) -> Trail:
        """Give the trail of orders that start at ``quantity``: this one going on, or a new one.

        A read may still show a position of this one if its last outcome was learnt after ``oldest`` (monotonic).
        """
        return (
            self
            if self.at > oldest and self.end == quantity
            else Trail(low=quantity, high=quantity, end=quantity)
        )

    def hides(self, quantity: Decimal, oldest: float) -> bool:
        """Tell whether ``quantity`` may be a position from before the last order.

        ``oldest``: outcomes learnt later (monotonic) may be missing in the read that shows it. A quantity outside of
        what we passed through is a change that somebody else made.
        """
        if self.at <= oldest or quantity == self.end:
            return False
        return self.low is None or self.high is None or self.low <= quantity <= self.high


NO_TRAIL = Trail()
"""No order of ours is known."""
