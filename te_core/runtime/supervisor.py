"""Keep one run going: whatever it raises is contained here, logged once, and retried after a pause."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from te_core.clock import Clock
from te_core.errors import AuthError, ConfigError, NotReady, PluginDefect, TradeEngineError, described
from te_core.outage import Outages
from te_core.rules.backoff import backoff
from te_core.runtime.guard import call
from te_core.secrets import Redact
from te_core.settings.schema import EngineSettings

if TYPE_CHECKING:
    from loguru import Logger

STEADY = 60.0
"""Seconds after which a run counts as healthy: the next failure starts with the first pause again."""

REFUSED_FIRST, REFUSED_LAST = timedelta(minutes=1), timedelta(hours=1)
"""Pauses after a refusal that only the operator can end: a wrong key, a wrong setting, an account already taken."""

Up = Callable[[], None]
"""Called by a run when it has started to work."""


class Running(StrEnum):
    """Status of a supervised instance. ``FAILING``: it is retried at ``Health.retry_at``."""

    STARTING = "starting"
    RUNNING = "running"
    FAILING = "failing"
    STOPPED = "stopped"
    DISABLED = "disabled"
    UNAVAILABLE = "unavailable"


class Health:
    """Status of an instance: since when, why, and when it is retried (UTC; None if no retry is due)."""

    def __init__(self, clock: Clock) -> None:
        self.status = Running.STARTING
        self.reason = ""
        self.since = clock.now()
        self.retry_at: datetime | None = None
        self._clock = clock

    def set(self, status: Running, reason: str = "", *, retry_in: timedelta | None = None) -> None:
        """Set status, reason and time of the retry; ``since`` changes with the status."""
        now = self._clock.now()
        if status is not self.status:
            self.since = now
        self.status, self.reason = status, reason
        self.retry_at = None if retry_in is None else now + retry_in

    def __repr__(self) -> str:
        return f"Health({self.status}, {self.reason!r}, since={self.since}, retry_at={self.retry_at})"


class _Proof:
    """Reports that a run is healthy: at once, or, if ``doubted``, after it has worked for a while."""

    def __init__(self, well: Callable[[], None], *, doubted: bool) -> None:
        self._well = well
        self._doubted = doubted
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Record that the run has started to work."""
        if self._doubted:
            self._timer = asyncio.get_running_loop().call_later(STEADY, self._well)
        else:
            self._well()

    def end(self) -> None:
        """Cancel a pending report."""
        if self._timer is not None:
            self._timer.cancel()


class Supervisor:
    """Runs one coroutine function forever and retries it after each failure.

    After `AuthError` and `ConfigError` it retries slowly, as only the operator can correct those: after a minute,
    doubled up to an hour. A run that keeps starting and failing is reported as recovered only after it has worked for
    a while; otherwise an intermittent outage would cause two lines and two notices each time.
    """

    def __init__(
        self,
        *,
        health: Health,
        outages: Outages,
        log: Logger,
        clock: Clock,
        settings: Callable[[], EngineSettings],
        what: str = "connection",
        redact: Redact = str,
    ) -> None:
        self._health = health
        self._redact = redact
        self._outages = outages
        self._log = log
        self._clock = clock
        self._settings = settings
        self._what = what
        self._failures = 0
        self._refusals = 0
        self._unproven = False
        self._resumed = asyncio.Event()

    def try_now(self) -> None:
        """End the current pause, or skip the next one."""
        self._resumed.set()

    async def keep_running(self, run: Callable[[Up], Awaitable[None]]) -> NoReturn:
        """Run until cancelled."""
        while True:
            began = self._clock.monotonic()
            proof = _Proof(partial(self._outages.well, self._what), doubted=self._doubted)
            self._resumed.clear()
            try:
                error = await self._attempt(run, proof.begin)
            finally:
                proof.end()
            if self._clock.monotonic() - began > STEADY:
                self._failures = self._refusals = 0
                self._unproven = False
            await self._pause(error)

    @property
    def _doubted(self) -> bool:
        return self._failures > 1 or self._unproven

    async def _attempt(self, run: Callable[[Up], Awaitable[None]], up: Up) -> BaseException | None:
        """Run once, in a separate task: a run that cancels its task, or all tasks, must not affect this one."""
        attempt = asyncio.create_task(_contained(self._what, run, up, self._redact))
        try:
            await asyncio.wait([attempt])
        finally:
            if not attempt.done():
                attempt.cancel()
                await asyncio.wait([attempt])
            if not attempt.cancelled():
                attempt.exception()  # retrieve it even if this task is cancelled at the same moment
        if attempt.cancelled():
            return asyncio.CancelledError("it cancelled itself")
        return attempt.exception()

    async def _pause(self, error: BaseException | None) -> None:
        """Report the failure, then wait until the retry is due or requested."""
        engine = self._settings()
        reason = self._reason(error)
        if isinstance(error, AuthError | ConfigError):
            self._refusals += 1
            self._unproven = True
            pause = backoff(self._refusals, REFUSED_FIRST, REFUSED_LAST)
        else:
            self._failures += 1
            asked = error.retry_after if isinstance(error, NotReady) else None
            pause = backoff(self._failures, engine.backoff_first, engine.backoff_last)
            pause = max(pause, min(timedelta(seconds=asked or 0.0), REFUSED_LAST))
        self._health.set(Running.FAILING, reason, retry_in=pause)
        self._outages.failing(self._what, reason)
        try:
            async with asyncio.timeout(pause.total_seconds()):
                await self._resumed.wait()
        except TimeoutError:
            return
        self._failures = self._refusals = 0

    def _reason(self, error: BaseException | None) -> str:
        if error is None:
            return "ended on its own"
        if isinstance(error, TradeEngineError) and not isinstance(error, PluginDefect):
            return self._redact(str(error))
        reason = self._redact(f"defect: {described(error)}")
        if self._failures == 0:
            self._log.opt(exception=error).error("{}", reason)
        return reason


async def _contained(what: str, run: Callable[[Up], Awaitable[None]], up: Up, redact: Redact) -> None:
    await call(what, partial(run, up), redact)
