"""Report what blocks the event loop while it is blocked: plugin, file, line and function.

A plugin that sleeps or computes without awaiting stops all alerts, orders and the page, and nothing on the loop can
report it. So a thread watches a heartbeat of the loop, and inspects what the loop's thread is executing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from te_core.clock import Clock
from te_core.model.event import Event
from te_core.runtime.blocking_frame import executing
from te_core.runtime.run_queue import seconds_waited_for_a_core

if TYPE_CHECKING:
    from loguru import Logger

PERIOD = 0.2
"""Seconds between two heartbeats, and between two checks."""

LIMIT = 1.0
"""Seconds of blocking that are reported."""

QUIET = 600.0
"""Seconds for which a reported location is not reported again."""


class BlockedTime:
    """Sums up how long the loop has been blocked. Pure: samples go in, seconds come out.

    Time in which the watching thread did not run either is not counted: the process was stopped, the machine was
    suspended, or all cores were busy. Nor is time in which the loop's thread waited for a core.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._beats = -1
        self._waited = 0.0

    def sample(self, *, beats: int, elapsed: float, waited: float) -> float:
        """Return seconds blocked. ``elapsed``: since the last sample; ``waited``: for a core since the thread began."""
        starved, self._waited = max(0.0, waited - self._waited), waited
        if beats != self._beats:
            self._beats, self.seconds = beats, 0.0
        elif elapsed <= 2 * PERIOD:
            self.seconds += max(0.0, elapsed - starved)
        return self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stall:
    at: datetime
    where: str
    logged: bool


class Watchdog:
    """Watches the loop that calls ``start``. ``record`` is called on that loop, once a stall is over."""

    def __init__(
        self,
        clock: Clock,
        log: Logger,
        record: Callable[[Event], None],
        lag: Callable[[float], None] = lambda _: None,
    ) -> None:
        """``lag`` is called with the delay of each heartbeat in seconds."""
        self._clock = clock
        self._log = log
        self._record = record
        self._lag = lag
        self._beats = 0
        self._beaten_at = self._suspended = 0.0
        self._stall: _Stall | None = None
        self._quiet_until: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._watched = self._native = 0

    def start(self) -> None:
        """Start watching the thread and the loop that this is called on."""
        self._watched, self._native = threading.get_ident(), threading.get_native_id()
        self._beaten_at = self._clock.monotonic()
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """Stop watching. Does not wait for the thread, which may itself be waiting to write a line."""
        self._stopping.set()
        if self._timer is not None:
            self._timer.cancel()

    # -- on the loop

    def _beat(self) -> None:
        now, stall = self._clock.monotonic(), self._stall
        if stall is not None:
            self._stall = None
            self._over(stall, now - self._beaten_at)
        suspended = self._clock.suspended()
        if self._beats:
            self._lag(now - self._beaten_at - PERIOD - (suspended - self._suspended))
        self._beaten_at, self._suspended = now, suspended
        self._beats += 1
        self._timer = asyncio.get_running_loop().call_later(PERIOD, self._beat)

    def _over(self, stall: _Stall, lasted: float) -> None:
        if stall.logged:
            self._log.info("event loop free again after {:.1f} s; it was blocked by {}", lasted, stall.where)
            text = f"event loop blocked for {lasted:.1f} s by {stall.where}"
            self._record(Event(at=stall.at, kind="stall", text=text))

    # -- in the thread

    def _watch(self) -> None:
        blocked, checked_at = BlockedTime(), self._clock.monotonic()
        while not self._stopping.wait(PERIOD):
            now = self._clock.monotonic()
            beats = self._beats
            seconds = blocked.sample(
                beats=beats, elapsed=now - checked_at, waited=seconds_waited_for_a_core(self._native)
            )
            checked_at = now
            if seconds >= LIMIT and self._stall is None:
                self._report(beats, seconds)

    def _report(self, beats: int, seconds: float) -> None:
        where = executing(self._watched)
        if beats != self._beats:
            return  # it continued meanwhile: what it executes now is not what blocked it
        now = self._clock.monotonic()
        due = now >= self._quiet_until.get(where, now)
        if due:
            self._quiet_until[where] = now + QUIET
            self._log.error(
                "event loop blocked for {:.1f} s by {}: no alert is answered and no order sent meanwhile; "
                "it should await, or use asyncio.to_thread",
                seconds,
                where,
            )
        self._stall = _Stall(at=self._clock.now(), where=where, logged=due)
