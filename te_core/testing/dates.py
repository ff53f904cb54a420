"""Dates requests as the engine does, counts them, and refuses to as told."""

from __future__ import annotations

from datetime import datetime

from te_core.accounts.dispatch import dating
from te_core.clock import Clock


class Dates:
    """The ``date`` of a tested account's context. ``given``: dates so far. ``refused``: from now on none is given."""

    def __init__(self, clock: Clock) -> None:
        self.given = 0
        self.refused = False
        self._date = dating(clock, lambda: not self.refused)

    def __call__(self) -> datetime:
        """Return the date of a request. Raises ``NotReady``: then nothing may be sent."""
        at = self._date()
        self.given += 1
        return at
