"""When the clock lets nothing be increased on an account: its hours, and the time after the start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from te_core.accounts.targets import WorkerSettings
from te_core.clock import Clock
from te_core.rules.hours import Quiet, quiet


class QuietTimes:
    """Says for one account why nothing is increased now, and when that ends. The start is when this is made."""

    def __init__(self, clock: Clock, settings: Callable[[], WorkerSettings]) -> None:
        self._clock = clock
        self._settings = settings
        self._began = clock.monotonic()
        self._end: asyncio.TimerHandle | None = None

    def why(self, symbol: str) -> str:
        """Return why the symbol is not increased now; empty when it may be."""
        if self._start_delay_left() > 0:
            delay = self._settings().engine.start_delay
            return f"no increases for start_delay = {delay.total_seconds():g} s after the start"
        found = self._hours(symbol)
        return found.why if found is not None else ""

    def wake_at_end(self, symbols: Sequence[str], wake: Callable[[], None]) -> None:
        """Call ``wake`` when the first of the times ends that hold for these symbols now."""
        self.forget_end()
        left = self._start_delay_left()
        if left <= 0:
            found = [one.until for symbol in symbols if (one := self._hours(symbol)) is not None]
            left = (min(found) - self._clock.now()).total_seconds() if found else 0.0
        if left > 0 and symbols:
            self._end = asyncio.get_running_loop().call_later(left, wake)

    def forget_end(self) -> None:
        """Wake nobody."""
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def _start_delay_left(self) -> float:
        return self._settings().engine.start_delay.total_seconds() - (self._clock.monotonic() - self._began)

    def _hours(self, symbol: str) -> Quiet | None:
        hours = self._settings().hours
        if not hours:
            return None
        return quiet((*hours.get("", ()), *hours.get(symbol, ())), self._clock.now())
