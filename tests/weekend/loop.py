"""Virtual time with real sockets: hours of waiting pass at once, while clients and servers in here talk for real.

Time stands still while anything is on its way over loopback, and jumps to the next timer once nothing is. While
a thread works it runs as everybody's does. ``thaw`` lets it do so from then on.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TURN = 1e-7
"""Seconds that a turn of the loop takes: what waits for next to nothing must not wait for ever."""
FOR_REAL = 5.0
"""Real seconds that are waited for a socket or another thread where no timer is set."""


class Stuck(RuntimeError):
    """Every task waits, no timer is set, and nothing comes."""


class _Selector(selectors.DefaultSelector):
    loop: WiredLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.loop.thawed:
            return super().select(timeout)
        self.loop.advance(TURN)
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        if found := super().select(0):
            return found
        if self.loop.threads:
            began = time.monotonic()
            found = super().select(timeout)
            self.loop.advance(time.monotonic() - began)
            return found
        if timeout is None:
            if found := super().select(FOR_REAL):
                return found
            raise Stuck("every task waits, no timer is set, and nothing comes")
        self.loop.fence()
        if found := super().select(0):
            return found
        self.loop.jump()
        return []


class WiredLoop(asyncio.SelectorEventLoop):
    """See above."""

    def __init__(self) -> None:
        self._now = 0.0
        self._thawed_at: float | None = None
        self.threads = 0
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self._far = socket.create_connection(listening.getsockname())
            self._near, _ = listening.accept()
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    @property
    def thawed(self) -> bool:
        """Whether time runs for real by now."""
        return self._thawed_at is not None

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._now + (0 if self._thawed_at is None else time.monotonic() - self._thawed_at)

    def jump(self) -> None:
        """Move to the earliest timer."""
        scheduled = self._scheduled  # type: ignore[attr-defined]  # BaseEventLoop keeps its timers there
        self._now = max(self._now, scheduled[0].when())

    def fence(self) -> None:
        """Wait until what was sent before has arrived: loopback keeps the order."""
        self._far.send(b".")
        self._near.recv(1)

    def close(self) -> None:
        """Close the fence, too."""
        self._far.close()
        self._near.close()
        super().close()

    def advance(self, seconds: float) -> None:
        """Advance the time."""
        self._now += seconds

    def thaw(self) -> None:
        """From now on time runs."""
        self._thawed_at = time.monotonic()

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run in real time until the thread is done; it may talk to us meanwhile."""
        work = super().run_in_executor(executor, func, *args)
        self.threads += 1
        work.add_done_callback(self._thread_ended)
        return work

    def _thread_ended(self, _: object) -> None:
        self.threads -= 1


class WiredClock:
    """The clock port that follows a loop, in whatever thread. ``start``: the wall time at which the loop began."""

    def __init__(self, start: datetime, loop: asyncio.AbstractEventLoop) -> None:
        self._start, self._loop = start, loop

    def now(self) -> datetime:
        """Aware UTC wall time."""
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds of the loop."""
        return self._loop.time()


def run(main: Any) -> Any:
    """Run a coroutine on a fresh loop; like ``asyncio.run``."""
    with asyncio.Runner(loop_factory=WiredLoop) as runner:
        return runner.run(main)
