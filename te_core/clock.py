"""The port through which time is read, so that the whole engine can run under a virtual clock.

To wait, use ``asyncio.sleep`` and ``asyncio.timeout``: they follow the event loop's time, which the virtual
loop advances. (``asyncio.wait_for`` is banned: on Python 3.11 it can swallow a cancellation.) That time stands still
while the machine is suspended, so wait for hours in steps of ``LONGEST_SLEEP``.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Protocol

LONGEST_SLEEP = 60.0
"""Maximum seconds between two looks at the clock while waiting for a time: clocks are adjusted, machines suspended."""
_STEADY: int | None = getattr(
    time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC if sys.platform == "darwin" else None
)
"""The clock that runs on while the machine is suspended, as ``time.monotonic`` does on Windows only; None: use that."""


class Clock(Protocol):
    """A source of time. ``now`` may jump; ``monotonic`` never goes back, and runs on while the machine is suspended."""

    def now(self) -> datetime:
        """Return the wall time, timezone-aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        ...

    def suspended(self) -> float:
        """Return for how many seconds the machine has been suspended so far: the event loop's timers stood still."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the wall time, timezone-aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        return time.monotonic() if _STEADY is None else time.clock_gettime(_STEADY)

    def suspended(self) -> float:
        """Return for how many seconds the machine has been suspended so far: the event loop's timers stood still."""
        return self.monotonic() - time.monotonic()
