"""An event loop whose time jumps to the next timer: hours of waiting pass at once and always alike."""

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
"""Turns of the loop within one instant after which something must be going round in circles."""


class VirtualDeadlock(RuntimeError):
    """Every task waits and no timer is left: in real time this would hang for ever."""


class VirtualLivelock(RuntimeError):
    """Something goes round without ever waiting: in real time this would burn a core, and an exchange's patience."""


class _JumpingSelector(selectors.BaseSelector):
    """Never waits for real: it moves the loop's time to the next timer instead."""

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
            raise VirtualDeadlock("every task waits and no timer is set")
        self._turns += 1
        if timeout > 0 and self.loop.jump():
            self._turns = 0
        if self._turns > TURNS:
            self._turns = 0  # so that what is left can be cancelled
            raise VirtualLivelock(f"{TURNS} turns of the loop, and no time has passed")
        return []

    def get_map(self) -> Any:
        return self._keys


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs timers in order without waiting. No sockets, no threads: those belong to real-clock tests."""

    def __init__(self) -> None:
        selector = _JumpingSelector()
        self._now = 0.0
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def jump(self) -> bool:
        """Move to the earliest timer; tells whether time has passed."""
        scheduled = self._scheduled  # type: ignore[attr-defined]  # BaseEventLoop keeps its timers there
        before, self._now = self._now, max(self._now, scheduled[0].when())
        return self._now > before

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Threads have no place on virtual time."""
        del executor, func, args
        raise RuntimeError("no threads on the virtual clock: inject the blocking part")


class VirtualClock:
    """The clock port that follows the running virtual loop; ``shift`` steps the wall time alone."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self.shift = timedelta(0)

    def now(self) -> datetime:
        """Aware UTC wall time."""
        return self._start + self.shift + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds of the running loop."""
        return asyncio.get_running_loop().time()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a fresh virtual loop; like ``asyncio.run``."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
