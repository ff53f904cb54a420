"""The time by which signals age: wall time that does not follow a jump of the machine's clock at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from te_core.clock import Clock
from te_core.model.event import Event
from te_core.model.signal import Signal

if TYPE_CHECKING:
    from loguru import Logger

TOLERANCE = timedelta(seconds=2)
"""Smaller differences are followed at once: clocks are adjusted all the time."""

LASTING = timedelta(minutes=5)
"""A jump counts once it has lasted this long: a clock that is wrong briefly must not change a target."""

CHECK_EVERY = 30.0
"""Seconds between two comparisons of the wall clock with the monotonic one."""


class TimeBase:
    """Wall time, continued by the monotonic clock. ``wake`` is called when a jump has lasted and is followed.

    ``missed`` is called, before the time is returned, if this process may have missed a while: the machine was
    suspended, or its clock has jumped ahead, as that of a paused virtual machine does.
    """

    def __init__(
        self,
        clock: Clock,
        log: Logger,
        record: Callable[[Event], None],
        wake: Callable[[], None],
        missed: Callable[[], None] = lambda: None,
    ) -> None:
        self._missed = missed
        self._suspended = clock.suspended()
        self._clock = clock
        self._log = log
        self._record = record
        self._wake = wake
        self._zero = self._wall_zero()
        """Wall time at second 0 of the monotonic clock."""
        self._stepped: datetime | None = None
        """The same, by a wall clock that has jumped."""
        self._stepped_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> datetime:
        """Return the current time; aware UTC."""
        self._compare()
        return self.at(self._clock.monotonic())

    def steady(self) -> float:
        """Return the seconds of the monotonic clock."""
        return self._clock.monotonic()

    def at(self, steady: float) -> datetime:
        """Return the time at which the monotonic clock showed these seconds."""
        return self._zero + timedelta(seconds=steady)

    def seconds_at(self, time: datetime) -> float:
        """Return what the monotonic clock showed at a time; future times count as now."""
        return min((time - self._zero).total_seconds(), self.steady())

    def watch(self) -> None:
        """Compare the clocks regularly from now on; calling it again has no effect."""
        if self._timer is None:
            self._check()

    def stop(self) -> None:
        """Compare the clocks only when the time is requested."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(CHECK_EVERY, self._check)
        self._compare()

    def _wall_zero(self) -> datetime:
        return self._clock.now() - timedelta(seconds=self._clock.monotonic())

    def _compare(self) -> None:
        before, now = self._suspended, self._clock.suspended()
        if (lasted := timedelta(seconds=now - before)) > TOLERANCE:
            self._suspended = now
            self._report(
                "WARNING", f"the machine was suspended for {_whole(lasted)}; reading everything again"
            )
            self._missed()
        zero = self._wall_zero()
        step = zero - self._zero
        if abs(step) <= TOLERANCE:
            self._zero = zero
            if self._stepped is not None:
                self._stepped = None
                self._report("INFO", "the wall clock is correct again; its jump did not age any signal")
        elif self._stepped is None or abs(zero - self._stepped) > TOLERANCE:
            self._stepped, self._stepped_at = zero, self.steady()
            text = f"signals ignore the jump unless it lasts {LASTING.total_seconds():g} s"
            self._report(
                "WARNING", f"the wall clock jumped by {_signed(step)}; {text}; check the host's clock"
            )
            if step > TOLERANCE:
                self._missed()
        elif self.steady() - self._stepped_at >= LASTING.total_seconds():
            self._zero, self._stepped = zero, None
            self._report(
                "WARNING", f"the wall clock's jump by {_signed(step)} has lasted; signals now follow it"
            )
            asyncio.get_running_loop().call_soon(self._wake)

    def _report(self, level: str, text: str) -> None:
        self._log.log(level, "{}", text)
        self._record(Event(at=self._clock.now(), kind="clock", text=text))


class Ages:
    """The ages of the active signals, by the time that has passed here since each arrived."""

    def __init__(self, base: TimeBase) -> None:
        self._base = base
        self._arrived: dict[tuple[str, str], tuple[float, timedelta]] = {}
        """When the newest signal of a source and symbol arrived (monotonic), and how old it was then."""

    def arrived(self, signal: Signal) -> None:
        """Start the age of a signal that is now active; one from the journal has an age already."""
        self._base.now()
        steady = self._base.steady()
        self._arrived[signal.source, signal.symbol] = steady, self._age_at(steady, signal)

    def said_at(self, signal: Signal) -> datetime:
        """Return when an active signal was sent, on the time base.

        A message's own time counts as far as it is before its arrival. No later jump of a clock makes a signal
        older; a jump that corrects a wrong time makes it younger.
        """
        known = self._arrived.get((signal.source, signal.symbol))
        if known is None:
            return signal.time
        steady, age = known
        return self._base.at(steady) - min(age, self._age_at(steady, signal))

    def _age_at(self, steady: float, signal: Signal) -> timedelta:
        return max(self._base.at(steady) - signal.time, timedelta(0))


def _signed(step: timedelta) -> str:
    return f"{'+' if step > timedelta(0) else '-'}{_whole(abs(step))}"


def _whole(time: timedelta) -> str:
    return str(time).partition(".")[0]
