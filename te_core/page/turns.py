"""Splits work for the page into small pieces, so that a due order waits for at most one of them."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from te_core.clock import Clock
from te_core.reporting.steps import Steps

T = TypeVar("T")

PIECE = 0.001
"""Seconds of work before yielding to the event loop."""
QUIET = 0.0002
"""Maximum seconds of an idle event-loop turn."""
REST = 0.005
MOST_RESTS = 20
"""Seconds of a pause while other tasks are busy, and the maximum number of pauses before the work continues."""


class Turns:
    """Runs work piece by piece; the event loop handles due tasks in between."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()

    async def next(self) -> None:
        """Yield to other tasks if this piece has used its time, until they are idle.

        An order has many steps: if a piece ran between every two of them, the order would wait for all of the work.
        """
        if self._clock.monotonic() - self._began < PIECE:
            return
        for _ in range(MOST_RESTS):
            left = self._clock.monotonic()
            await asyncio.sleep(0)
            if self._clock.monotonic() - left < QUIET:
                break
            await asyncio.sleep(REST)
        self._began = self._clock.monotonic()

    async def through(self, steps: Steps[T]) -> T:
        """Run work that may be interrupted after each step, and return its result."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                made: T = end.value
                return made
            await self.next()
