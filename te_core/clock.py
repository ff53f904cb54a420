"""The port through which time is read, so that the whole engine can run under a virtual clock.

To wait, use ``asyncio.sleep`` and ``asyncio.timeout``: they follow the event loop's time, which the virtual
loop advances. (``asyncio.wait_for`` is banned: on Python 3.11 it can swallow a cancellation.)
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time. ``now`` may jump; ``monotonic`` never goes back."""

    def now(self) -> datetime:
        """Return the wall time, timezone-aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the wall time, timezone-aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start."""
        return time.monotonic()
