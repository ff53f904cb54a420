"""An event loop whose time jumps to the next timer: hours of waiting pass at once, and every run is the same."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START = datetime(2026, 1, 1, tzinfo=UTC)


TURNS = 50_000
"""Turns of the loop without any time passing after which a task must be spinning."""


class VirtualDeadlock(RuntimeError):
    """Every task waits and no timer is left; in real time this would hang forever."""


class VirtualLivelock(RuntimeError):
    """A task spins without ever waiting; in real time this would use a whole core and flood the exchange."""


class _JumpingSelector(selectors.BaseSelector):
    """A selector that never blocks: it moves the loop's time to the next timer instead."""

    def __init__(self) -> None:
        self.loop: VirtualLoop | None = None
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self._turns = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        key = selectors.SelectorKey(fileobj, number, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert self.loop is not None
        if timeout is None:
            raise VirtualDeadlock("every task is waiting and no timer is set; a real loop would hang here")
        self._turns += 1
        if timeout > 0 and self.loop.jump():
            self._turns = 0
        if self._turns > TURNS:
            self._turns = 0  # so that the remaining tasks can be cancelled
            raise VirtualLivelock(
                f"{TURNS} turns of the loop without any time passing; some task never waits"
            )
        return []

    def get_map(self) -> Any:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that runs timers in order without waiting. Sockets and threads need a real-clock test."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        self._now = 0.0
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        """Return the virtual seconds since the loop was created."""
        return self._now

    def jump(self) -> bool:
        """Move the time to the earliest timer; return whether any time has passed."""
        scheduled = self._scheduled  # type: ignore[attr-defined]  # BaseEventLoop keeps its timers there
        before, self._now = self._now, max(self._now, scheduled[0].when())
        return self._now > before

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Raise `RuntimeError`: threads do not run on virtual time."""
        del executor, func, args
        raise RuntimeError("threads cannot run on the virtual clock; inject a fake for the blocking call")


class VirtualClock:
    """A `Clock` that follows the running virtual loop; ``shift`` steps the wall time only.

    ``suspend`` lets both clocks run on, but not the loop's timers, as while a machine is suspended.
    """

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self.shift = timedelta(0)
        self._suspended = 0.0

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        return self._start + self.shift + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return the seconds of the running loop, and those of suspensions."""
        return asyncio.get_running_loop().time() + self._suspended

    def suspended(self) -> float:
        """Return the seconds of all suspensions so far."""
        return self._suspended

    def suspend(self, seconds: float) -> None:
        """Suspend the machine for so long."""
        self._suspended += seconds


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a new virtual loop, like ``asyncio.run``."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
