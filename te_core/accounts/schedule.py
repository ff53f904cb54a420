"""Schedules an account's next pass: regularly, when it is woken or a retry is due, and sooner after a failed read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from te_core.errors import NotReady, RateLimited
from te_core.model.reading import Unknown
from te_core.outage import Outages
from te_core.rules.backoff import backoff
from te_core.settings.schema import EngineSettings

URGENT_RETRY = timedelta(seconds=1)
"""Pause before repeating a failed read that a reduction waits for; doubled from there."""


class Schedule:
    """Counts failing reads of one account, logs their outages, and computes when the next pass is due.

    Times are monotonic seconds.
    """

    def __init__(self, outages: Outages) -> None:
        self.wanted = True
        """Whether a pass was requested."""
        self._outages = outages
        self._failures = 0
        self._begun = 0.0
        self._next_read = 0.0
        self._paused_until = 0.0

    def due(self, now: float, retries: Iterable[float], *, reads: bool) -> float | None:
        """Return when the next pass is due; None: only when woken. ``reads``: the account is read regularly.

        Each due retry causes one pass. If the reads of that pass fail, the next read determines when to continue:
        otherwise an unreachable exchange would be polled without pause.
        """
        due = [at for at in retries if at > self._begun]
        if reads:
            due.append(self._next_read)
        if self.wanted:
            due.append(now)
        return max(min(due), self._paused_until) if due else None

    def begin(self, now: float) -> bool:
        """Record that a pass begins. Returns whether a regular read is due in it."""
        self.wanted = False
        self._begun = now
        return now >= self._next_read

    def read(
        self,
        now: float,
        results: Mapping[str, Unknown | None],
        engine: EngineSettings,
        *,
        urgent: bool,
        regular: bool,
    ) -> None:
        """Apply the results of a pass's reads, by name. ``urgent``: a reduction may be waiting for them.

        ``regular``: everything was read, so the next regular read is a full resync interval away.
        """
        failed = {what: result for what, result in results.items() if result is not None}
        for what in results:
            if what in failed:
                self._outages.failing(what, failed[what].reason)
            else:
                self._outages.well(what)
        if failed:
            self._failures += 1
            first, last = engine.backoff_first, engine.backoff_last
            if urgent:
                first, last = URGENT_RETRY, engine.backoff_first
            asked = max(result.retry_after or 0.0 for result in failed.values())
            pause = max(min(backoff(self._failures, first, last), engine.resync), timedelta(seconds=asked))
            self._next_read = now + pause.total_seconds()
            return
        self._failures = 0
        if regular:
            self._next_read = now + engine.resync.total_seconds()

    def read_by(self, at: float) -> None:
        """Schedule a read of the account at that time at the latest."""
        self._next_read = min(self._next_read, at)

    def failed(self, error: BaseException, now: float) -> None:
        """Adjust the schedule after a failed order; if the exchange was not ready, read now: reads may fail, too."""
        if isinstance(error, RateLimited):
            self.pause(now + (error.retry_after or 1.0))
        elif isinstance(error, NotReady):
            self.read_by(now)

    def pause(self, until: float) -> None:
        """Start no pass before that time, whatever wakes the worker."""
        self._paused_until = max(self._paused_until, until)
