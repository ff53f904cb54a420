"""Virtual time with real sockets, as `te_core.testing.wired_loop` has it, that may run for real from some point on."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any

from te_core.testing import wired_loop


class WiredLoop(wired_loop.WiredLoop):
    """``thaw`` lets time run for real from then on."""

    def __init__(self) -> None:
        self._thawed_at: float | None = None
        super().__init__()

    @property
    def runs_for_real(self) -> bool:
        """Whether time is real now."""
        return self._thawed_at is not None

    def time(self) -> float:
        """Seconds since the loop was made."""
        return super().time() + (0 if self._thawed_at is None else time.monotonic() - self._thawed_at)

    def thaw(self) -> None:
        """From now on time runs."""
        self._thawed_at = time.monotonic()


class WiredClock:
    """The clock port that follows a loop, from any thread. ``start``: the wall time at which the loop began."""

    def __init__(self, start: datetime, loop: asyncio.AbstractEventLoop) -> None:
        self._start, self._loop = start, loop

    def now(self) -> datetime:
        """Aware UTC wall time."""
        return self._start + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds of the loop."""
        return self._loop.time()

    def suspended(self) -> float:
        """No seconds: the machine is never suspended."""
        return 0.0


def run(main: Any) -> Any:
    """Run a coroutine on a fresh loop; like ``asyncio.run``."""
    with asyncio.Runner(loop_factory=WiredLoop) as runner:
        return runner.run(main)
