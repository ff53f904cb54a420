"""Work for the page in small pieces: an order that is due never waits for more than one of them."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from te_core.clock import Clock
from te_core.reporting.steps import Steps

T = TypeVar("T")

PIECE = 0.001
"""Seconds that a piece takes before others get their turn."""
QUIET = 0.0002
"""Seconds that a turn of the event loop takes when nobody else has anything to do."""
REST = 0.005
MOST_RESTS = 20
"""Seconds of a rest while others are at work, and how many rests there are before the work goes on all the same."""


class Turns:
    """One piece of work after the other; between two of them the event loop does what is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()

    async def next(self) -> None:
        """Leave the event loop to others if this piece has taken its time, until they have done what is due.

        An order has many steps: if a piece came between any two of them, it would wait for all of the work.
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
        """Do work that may be left after each step, and return what it made."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                made: T = end.value
                return made
            await self.next()
