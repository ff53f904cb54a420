"""Detects silent sources: logged once when a source falls silent, and once when it is heard from again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from te_core.clock import LONGEST_SLEEP, Clock
from te_core.model.event import Event
from te_core.signals.time_base import TimeBase

if TYPE_CHECKING:
    from loguru import Logger


class Heartbeat:
    """Runs one timer, for the source that is due next. ``wake`` is called when one falls silent or recovers.

    Silence is measured on the monotonic clock, so a jump of the wall clock never makes a source silent or recovers it.
    """

    def __init__(
        self,
        clock: Clock,
        base: TimeBase,
        log: Logger,
        record: Callable[[Event], None],
        wake: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._base = base
        self._log = log
        self._record = record
        self._wake = wake
        self._expected: dict[str, timedelta] = {}
        self._seen_at: dict[str, float] = {}
        self._counted: dict[str, float] = {}
        """Start times that replace ``_seen_at`` for sources that were due while the engine did not run."""
        self._restored = False
        self._silent: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def restore(self, seen_at: Mapping[str, datetime]) -> None:
        """Load from the journal when each source was last heard from."""
        self._seen_at.update({source: self._base.seconds_at(at) for source, at in seen_at.items()})
        self._restored = True

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def expect(self, expected: Mapping[str, timedelta]) -> None:
        """Replace the expectations. A source that was never heard from counts from now.

        At a start, so does a source that was due before it: the engine missed what it sent meanwhile.
        """
        self._expected = dict(expected)
        self._silent &= expected.keys()
        now = self._clock.monotonic()
        for source, every in expected.items():
            if self._seen_at.setdefault(source, now) + every.total_seconds() <= now and self._restored:
                self._counted[source] = now
            if source in self._silent and now < self._due(source):
                self._recovered(source, f"no longer silent; expect_every = {every}")
        self._restored = False
        self._check()

    def excuse(self) -> None:
        """Count sources that are due from now: this process did not run, and missed what they sent meanwhile."""
        now = self._clock.monotonic()
        late = [one for one in self._expected if one not in self._silent and self._due(one) <= now]
        self._counted.update(dict.fromkeys(late, now))
        if self._expected:
            self._check()

    def due(self, source: str) -> datetime | None:
        """Return when a source is, or was, due to be heard from; None if nothing is expected."""
        return self._base.at(self._due(source)) if source in self._expected else None

    def since(self, source: str) -> datetime | None:
        """Return when a silent source was last heard from, or first expected; None if it is not silent."""
        return self._base.at(self._seen_at[source]) if source in self._silent else None

    def seen(self, source: str) -> None:
        """Record that a source sent something, new or not."""
        before, self._seen_at[source] = self._seen_at.get(source), self._clock.monotonic()
        self._counted.pop(source, None)
        if source in self._silent and before is not None:
            lasted = str(timedelta(seconds=self._seen_at[source] - before)).partition(".")[0]
            self._recovered(source, f"heard from again after {lasted}")
            self._check()
            asyncio.get_running_loop().call_soon(self._wake)

    def _due(self, source: str) -> float:
        return self._counted.get(source, self._seen_at[source]) + self._expected[source].total_seconds()

    def _recovered(self, source: str, text: str) -> None:
        self._silent.discard(source)
        self._report("heard", source, text)

    def _check(self) -> None:
        self._base.now()  # notices a suspension, for which no source is to blame
        self.stop()
        now, upcoming, fallen = self._clock.monotonic(), [], False
        for source, every in self._expected.items():
            due = self._due(source)
            if now < due:
                upcoming.append(due - now)
            elif source not in self._silent:
                self._silent.add(source)
                fallen = True
                seen_at = self._base.at(self._seen_at[source])
                text = f"not heard from since {seen_at:%Y-%m-%d %H:%M:%S}Z; expect_every = {every}"
                self._report("silent", source, text)
        if upcoming:
            delay = min(*upcoming, LONGEST_SLEEP)
            self._timer = asyncio.get_running_loop().call_later(delay, self._check)
        if fallen:
            self._wake()

    def _report(self, kind: str, source: str, text: str) -> None:
        self._log.bind(source=source).log("WARNING" if kind == "silent" else "INFO", "{}", text)
        self._record(Event(at=self._clock.now(), kind=kind, text=text, source=source))
