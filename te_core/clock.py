"""Time comes in through this port, so that the whole engine runs under a virtual clock.

Waiting is ``asyncio.sleep`` and ``asyncio.timeout``: they follow the event loop's time, which the virtual
loop jumps. (``asyncio.wait_for`` is banned: on Python 3.11 it can swallow a cancellation.)
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. ``now`` may step; ``monotonic`` (seconds) never goes back."""

    def now(self) -> datetime:
        """Aware UTC wall time."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Aware UTC wall time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start."""
        return time.monotonic()
