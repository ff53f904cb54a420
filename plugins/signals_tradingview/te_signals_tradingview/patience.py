"""Gives up waiting for what takes too long, with one timer for all: one each would cost as much as keeping an alert."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

TOO_LATE = "too late"


class Patience:
    """Cancels futures that are not done after so many ``seconds``, with ``TOO_LATE`` for the reason."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, future: asyncio.Future[Any]) -> None:
        """Wait for one more."""
        loop = future.get_loop()
        self._waiting.append((loop.time() + self.seconds, future))
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._look, loop)

    def close(self) -> None:
        """Watch nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now, waiting, self._timer = loop.time(), self._waiting, None
        while waiting and (waiting[0][0] <= now or waiting[0][1].done()):
            waiting.popleft()[1].cancel(TOO_LATE)
        if waiting:
            self._timer = loop.call_at(waiting[0][0], self._look, loop)
