"""One answer for everybody who asks at about the same time: reading every account takes budget from its orders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from te_core.clock import Clock

_FRESH = 2.0
"""Seconds for which an answer is given again."""

Result = Mapping[str, Any]


class SharedResult:
    """Asks once at a time, and remembers the answer for a moment. An error goes to all who waited, and is forgotten."""

    def __init__(self, ask: Callable[[], Awaitable[Result]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._asking: asyncio.Task[Result] | None = None
        self._last: tuple[float, Result] | None = None

    async def get(self) -> Result:
        """Return the answer. One who hangs up does not end it for the others."""
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
