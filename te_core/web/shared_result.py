"""One result for all requests at about the same time: reading every account uses the request budget of its orders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from te_core.clock import Clock

_FRESH = 2.0
"""Seconds for which a result is reused."""

Result = Mapping[str, Any]


class SharedResult:
    """Runs one query at a time, and caches the result briefly. An error goes to all waiting requests, uncached."""

    def __init__(self, ask: Callable[[], Awaitable[Result]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._asking: asyncio.Task[Result] | None = None
        self._last: tuple[float, Result] | None = None

    async def get(self) -> Result:
        """Return the result. A request that is cancelled does not end the query for the others."""
        if self._last is not None and self._clock.monotonic() - self._last[0] < _FRESH:
            return self._last[1]
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._fresh())
        return await asyncio.shield(self._asking)

    async def _fresh(self) -> Result:
        self._last = None
        try:
            result = await self._ask()
            self._last = self._clock.monotonic(), result
            return result
        finally:
            self._asking = None
