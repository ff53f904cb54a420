"""Says once when something starts to go wrong, and once when it is over."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from te_core.api import Clock

if TYPE_CHECKING:
    from loguru import Logger


class Trouble:
    """What is wrong now. ``kind``: "" when nothing is, else "silent", "unusable", "rejected" or "empty"."""

    def __init__(self, clock: Clock, log: Logger, what: str) -> None:
        self.kind = ""
        self.reason = ""
        self.since: datetime | None = None
        self._clock = clock
        self._log = log
        self._what = what
        self._times = 0

    def met(self, kind: str, reason: str) -> None:
        """Note a failure; logged when it is the first, or of another kind than the one before."""
        self._times += 1
        if kind != self.kind:
            self._log.warning("{} {}: {}", self._what, kind, reason)
        self.since = self.since or self._clock.now()
        self.kind, self.reason = kind, reason

    def over(self) -> None:
        """Note a success; logged when it ends trouble."""
        if self.since is not None:
            lasted = (self._clock.now() - self.since).total_seconds()
            self._log.info(
                "{} well again after {:.0f} s and {} failure(s), last {}: {}",
                self._what,
                lasted,
                self._times,
                self.kind,
                self.reason,
            )
        self.kind, self.reason, self.since, self._times = "", "", None, 0
