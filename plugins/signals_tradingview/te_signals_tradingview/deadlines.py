"""A deadline for every pending write.

One timer serves all of them: a timer each would cost as much as persisting an alert.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

TOO_LATE = "too late"
_CHECKS = 10
"""Checks within one deadline: a future is cancelled early by at most one tenth of its time."""


class Deadlines:
    """Cancels futures that are still pending after so many ``seconds``, with the message ``TOO_LATE``."""

    def __init__(self, seconds: float) -> None:
        self._pause = seconds / _CHECKS
        self._checks = 0
        self._pending: dict[asyncio.Future[Any], int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, write: Awaitable[Any]) -> None:
        """Start the deadline of one write. The engine returns futures; any other awaitable has no deadline."""
        if isinstance(write, asyncio.Future):
            self._pending[write] = self._checks
            if self._timer is None:
                self._timer = write.get_loop().call_later(self._pause, self._check, write.get_loop())

    def discard(self, write: Awaitable[Any] | None) -> None:
        """End the deadline of one write."""
        if isinstance(write, asyncio.Future):
            self._pending.pop(write, None)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._checks += 1
        for future, since in list(self._pending.items()):
            if self._checks - since < _CHECKS:
                break
            future.cancel(TOO_LATE)
            del self._pending[future]
        self._timer = loop.call_later(self._pause, self._check, loop) if self._pending else None
