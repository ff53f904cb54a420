"""Send the notifiers a summary of each day, at the time of day in the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

from te_core.clock import LONGEST_SLEEP, Clock
from te_core.rules.hours import next_time_of_day
from te_core.settings.notices import NoticesSettings

DAY = timedelta(days=1)


class DailySummary:
    """Calls ``send`` once a day with the start of the day to sum up."""

    def __init__(
        self,
        clock: Clock,
        settings: Callable[[], NoticesSettings],
        send: Callable[[datetime], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._send = send
        self._changed = asyncio.Event()

    def settings_changed(self) -> None:
        """Read the settings again."""
        self._changed.set()

    async def run(self) -> None:
        """Send summaries until cancelled."""
        while True:
            self._changed.clear()
            section, now = self._settings(), self._clock.now()
            due = next_time_of_day(section.summary_at, section.zone, now) if section.summary_at else None
            until = None if due is None else self._clock.monotonic() + (due - now).total_seconds()
            while not self._changed.is_set() and (left := self._left(until)) != 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._changed.wait()
            # Earlier if the wall clock was set back meanwhile.
            if due is not None and not self._changed.is_set() and self._clock.now() >= due:
                await self._send(due - DAY)

    def _left(self, until: float | None) -> float | None:
        """Return the seconds to wait before the next look at the clock; None: until the settings change."""
        return None if until is None else max(min(until - self._clock.monotonic(), LONGEST_SLEEP), 0.0)
