"""Date requests as the engine does, count them, and refuse on demand."""

from __future__ import annotations

from datetime import datetime

from te_core.accounts.dispatch import dating
from te_core.clock import Clock


class Dates:
    """The ``date`` callable of a tested account's context."""

    def __init__(self, clock: Clock) -> None:
        self.given = 0
        """How many dates were returned so far."""
        self.refused = False
        """Set it to make every further call raise `NotReady`."""
        self._date = dating(clock, lambda: not self.refused)

    def __call__(self) -> datetime:
        """Return the date of a request. Raise `NotReady` if it must not be sent."""
        at = self._date()
        self.given += 1
        return at
