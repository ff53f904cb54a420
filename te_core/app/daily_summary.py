"""Send the notifiers a summary of each day, at the time of day in the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

from te_core.clock import Clock
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
            with suppress(TimeoutError):
                async with asyncio.timeout(None if due is None else (due - now).total_seconds()):
                    await self._changed.wait()
                    continue
            if (
                due is not None and self._clock.now() >= due
            ):  # otherwise the wall clock was set back meanwhile
                await self._send(due - DAY)
