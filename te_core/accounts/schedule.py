"""When an account is looked at next: regularly, when it is woken or a retry is due, and sooner after a failed read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from te_core.model.reading import Unknown
from te_core.outage import Outages
from te_core.rules.backoff import backoff
from te_core.settings.schema import EngineSettings

REDUCTION_RETRY = timedelta(seconds=1)
"""Risk-reducing orders do not back off; this only keeps a refusing exchange from being asked without pause."""


class Timetable:
    """Counts failing reads of one account, tells their outages, and knows when the next pass is due.

    Times are monotonic seconds. ``wanted``: somebody asked for a pass.
    """

    def __init__(self, outages: Outages) -> None:
        self.wanted = True
        self._outages = outages
        self._failures = 0
        self._begun = 0.0
        self._next_read = 0.0
        self._paused_until = 0.0

    def due(self, now: float, retries: Iterable[float], *, reads: bool) -> float | None:
        """Give when the next pass is due; None: only when woken. ``reads``: the account is read regularly.

        One pass takes up a retry that came due. Should its reads fail, the next read decides when it goes on: otherwise
        an exchange that cannot be reached would be asked without pause.
        """
        due = [at for at in retries if at > self._begun]
        if reads:
            due.append(self._next_read)
        if self.wanted:
            due.append(now)
        return max(min(due), self._paused_until) if due else None

    def begin(self, now: float) -> None:
        """Take note that a pass begins."""
        self.wanted = False
        self._begun = now

    def read(
        self, now: float, readings: Mapping[str, object], engine: EngineSettings, *, urgent: bool
    ) -> None:
        """Take the readings of a pass by name. ``urgent``: a reduction may wait for them."""
        failed = {what: reading for what, reading in readings.items() if isinstance(reading, Unknown)}
        for what in readings:
            if what in failed:
                self._outages.failing(what, failed[what].reason)
            else:
                self._outages.well(what)
        self._failures = self._failures + 1 if failed else 0
        pause = engine.resync
        if failed:
            first, last = engine.backoff_first, engine.backoff_last
            if urgent:
                first, last = REDUCTION_RETRY, engine.backoff_first
            asked = max(reading.retry_after or 0.0 for reading in failed.values())
            pause = max(min(backoff(self._failures, first, last), pause), timedelta(seconds=asked))
        self._next_read = now + pause.total_seconds()

    def read_by(self, at: float) -> None:
        """Have the account read at that time at the latest."""
        self._next_read = min(self._next_read, at)

    def pause(self, until: float) -> None:
        """Let no pass begin before that time, whatever wakes it."""
        self._paused_until = max(self._paused_until, until)
