"""The exchange's clock: injected, and skewed by faults."""

from __future__ import annotations

import time
from collections.abc import Callable


class ExchangeClock:
    """Milliseconds since 1970 by the exchange's clock; ``skew_ms`` shifts its wall time only."""

    def __init__(
        self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self.skew_ms = 0

    def ms(self) -> int:
        """The wall time, skew included."""
        return int(self._wall() * 1000) + self.skew_ms

    def ns(self) -> int:
        """The wall time in nanoseconds, skew included."""
        return self.ms() * 1_000_000

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; what rate-limit windows are measured with."""
        return self._monotonic()
