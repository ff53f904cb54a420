"""An event loop with real sockets whose time jumps: clients and servers on it talk for real, and pauses take no time.

Time stands still while anything is on its way over loopback, and jumps to the next timer once nothing is. While
a thread works it passes as on any clock. The server must run on the same loop: what another thread or process serves
takes time that this loop does not wait for.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from te_core.clock import SystemClock

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

TURN = 1e-7
"""Seconds that a turn of the loop takes: what waits for next to nothing must not wait forever."""
TURNS = 200_000
"""Turns of the loop without a jump after which a task must be flooding a server."""
FOR_REAL = 5.0
"""Real seconds to wait for a socket or another thread where no timer is set."""
_REAL = SystemClock()


class WiredDeadlock(RuntimeError):
    """Every task waits, no timer is set, and nothing arrives."""


class WiredLivelock(RuntimeError):
    """A task never pauses: in real time it would use a whole core and flood a server."""


class _Selector(selectors.DefaultSelector):
    loop: WiredLoop
    turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.loop.runs_for_real:
            return super().select(timeout)
        self.loop.advance(TURN)
        self.turns += 1
        if self.turns > TURNS:
            self.turns = 0  # so that the remaining tasks can be cancelled
            raise WiredLivelock(f"{TURNS} turns of the loop without a pause; some task never waits")
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        if found := super().select(0):
            return found
        if self.loop.threads:
            began = _REAL.monotonic()
            found = super().select(timeout)
            self.loop.advance(_REAL.monotonic() - began)
            return found
        if timeout is None:
            if found := super().select(FOR_REAL):
                return found
            raise WiredDeadlock("every task is waiting, no timer is set, and nothing arrives")
        self.loop.fence()
        if found := super().select(0):
            return found
        self.loop.jump()
        self.turns = 0
        return []


class WiredLoop(asyncio.SelectorEventLoop):
    """A loop for tests with sockets on loopback. `VirtualClock` follows it."""

    def __init__(self) -> None:
        self._now = 0.0
        self.threads = 0
        """The number of threads that work for it."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self._far = socket.create_connection(listening.getsockname())
            self._near, _ = listening.accept()
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    @property
    def runs_for_real(self) -> bool:
        """Whether time passes as on any clock; a subclass may decide it."""
        return False

    def time(self) -> float:
        """Return the seconds since the loop was created."""
        return self._now

    def jump(self) -> None:
        """Move the time to the earliest timer."""
        scheduled = self._scheduled  # type: ignore[attr-defined]  # BaseEventLoop keeps its timers there
        self._now = max(self._now, scheduled[0].when())

    def fence(self) -> None:
        """Wait until everything that was sent before has arrived: loopback keeps the order."""
        self._far.send(b".")
        self._near.recv(1)

    def advance(self, seconds: float) -> None:
        """Advance the time."""
        self._now += seconds

    def close(self) -> None:
        """Close the loop, and the sockets of the fence."""
        self._far.close()
        self._near.close()
        super().close()

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Run in a thread; time passes as on any clock until it is done."""
        work = super().run_in_executor(executor, func, *args)
        self.threads += 1
        work.add_done_callback(self._thread_ended)
        return work

    async def shutdown_default_executor(self, *timeout: Any) -> None:
        """End the executor; real time passes meanwhile, or the timeout of newer Pythons would have passed at once."""
        self.threads += 1
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self.threads -= 1

    def _thread_ended(self, _: object) -> None:
        self.threads -= 1


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine on a new loop, like ``asyncio.run``."""
    with asyncio.Runner(loop_factory=WiredLoop) as runner:
        return runner.run(main)
