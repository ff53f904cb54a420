"""Times when nothing may be increased on an account: configured hours, after the start, before a large funding."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from te_core.accounts.reader import AccountReader
from te_core.accounts.targets import WorkerSettings
from te_core.clock import Clock
from te_core.model.reading import Unknown
from te_core.rules.funding import guarded
from te_core.rules.hours import Quiet, quiet


class QuietTimes:
    """Determines for one account why nothing is increased now, and until when. Created at the engine's start."""

    def __init__(self, clock: Clock, settings: Callable[[], WorkerSettings]) -> None:
        self._clock = clock
        self._settings = settings
        self._began = clock.monotonic()
        self._reader: AccountReader | None = None
        self._end: asyncio.TimerHandle | None = None

    def connected(self, reader: AccountReader) -> None:
        """Use this connection's reader for announced funding from now on."""
        self._reader = reader

    def why(self, symbol: str, side: int) -> str:
        """Return why the symbol must not be increased on a side (1 long, -1 short) now; empty if it may be."""
        if self._start_delay_left() > 0:
            delay = self._settings().engine.start_delay
            return f"no increases for start_delay = {delay.total_seconds():g} s after the start"
        if (found := self._hours(symbol)) is not None:
            return found.why
        funding = self._funding(symbol, side)
        if isinstance(funding, Unknown):
            return funding.reason
        return funding.why if funding is not None else ""

    def wake_at_end(self, symbols: Sequence[str], wake: Callable[[], None]) -> None:
        """Call ``wake`` when the first of the quiet times that apply to these symbols now ends."""
        self.forget_end()
        left = self._start_delay_left()
        if left <= 0:
            found = [
                one.until
                for symbol in symbols
                for one in (self._hours(symbol), self._funding(symbol, 1), self._funding(symbol, -1))
                if isinstance(one, Quiet)
            ]
            left = (min(found) - self._clock.now()).total_seconds() if found else 0.0
        if left > 0 and symbols:
            self._end = asyncio.get_running_loop().call_later(left, wake)

    def forget_end(self) -> None:
        """Cancel the pending wake-up."""
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

    def _funding(self, symbol: str, side: int) -> Quiet | Unknown | None:
        guards = self._settings().limits.funding_guards
        if not guards or not side or self._reader is None:
            return None
        announced = self._reader.funding(symbol)
        if announced is None or isinstance(announced, Unknown):
            return announced
        return guarded(guards, announced, side, self._clock.now())
