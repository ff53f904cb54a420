"""Gives up waiting for what takes too long, with one timer for all: one each would cost as much as keeping an alert."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

TOO_LATE = "too late"
_LOOKS = 10
"""How often it is looked within the time: what waits is given up so much of it early at most."""


class Patience:
    """Cancels futures that still wait after so many ``seconds``, with ``TOO_LATE`` for the reason."""

    def __init__(self, seconds: float) -> None:
        self._pause = seconds / _LOOKS
        self._looks = 0
        self._waiting: dict[asyncio.Future[Any], int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, kept: Awaitable[Any]) -> None:
        """Wait for one more, until it is forgotten. The engine gives futures; what is none is waited for as it is."""
        if isinstance(kept, asyncio.Future):
            self._waiting[kept] = self._looks
            if self._timer is None:
                self._timer = kept.get_loop().call_later(self._pause, self._look, kept.get_loop())

    def forget(self, kept: Awaitable[Any] | None) -> None:
        """Wait for it no longer."""
        if isinstance(kept, asyncio.Future):
            self._waiting.pop(kept, None)

    def close(self) -> None:
        """Watch nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looks += 1
        for future, since in list(self._waiting.items()):
            if self._looks - since < _LOOKS:
                break
            future.cancel(TOO_LATE)
            del self._waiting[future]
        self._timer = loop.call_later(self._pause, self._look, loop) if self._waiting else None
