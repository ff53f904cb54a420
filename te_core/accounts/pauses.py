"""The only table of which error leads to which pause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from te_core.errors import (
    AuthError,
    ConfigError,
    NotReady,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    described,
)
from te_core.rules.backoff import backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """How long a symbol waits after consecutive failures: ``first``, doubled up to ``last``."""

    first: timedelta | None = None
    """None: ``engine.backoff_first``."""
    last: timedelta | None = None
    """None: ``engine.backoff_last``."""
    reductions: tuple[timedelta, timedelta] = (timedelta(seconds=1), timedelta(seconds=60))
    """First and last pause for orders that lower risk, which are retried sooner."""
    everything: bool = False
    """Whether reductions also wait after a failed order that was not a reduction."""


SLOW = (timedelta(minutes=1), timedelta(hours=1))
PAUSES: tuple[tuple[type[Exception], Pause], ...] = (
    (RateLimited, Pause()),
    (AuthError, Pause(first=SLOW[0], last=SLOW[1], reductions=SLOW, everything=True)),
    (ConfigError, Pause(first=SLOW[0], last=SLOW[1], reductions=SLOW, everything=True)),
    (NotReady, Pause()),
    (OutcomeUnknown, Pause(reductions=(timedelta(seconds=1), timedelta(seconds=30)))),
    (OrderRejected, Pause()),
)
"""By error class; the first match counts. Anything else is a defect and waits like a rejection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a symbol is held back, until when, and after how many consecutive failures."""

    reason: str
    until: float
    """Monotonic seconds."""
    failures: int
    reduction: bool
    """Whether reductions wait, too: a reduction failed, or the error blocks everything."""
    retry: str = ""
    """How it will be retried; for people."""


def hold_after(
    error: BaseException,
    earlier: Hold | None,
    *,
    reducing: bool,
    now: float,
    first: timedelta,
    last: timedelta,
) -> Hold:
    """Return the hold that follows an error; ``earlier``: the current hold. A longer ``retry_after`` is honoured."""
    pause = next((pause for kind, pause in PAUSES if isinstance(error, kind)), Pause())
    failures = (earlier.failures if earlier else 0) + 1
    bounds = pause.reductions if reducing else (pause.first or first, pause.last or last)
    asked = (error.retry_after or 0.0) if isinstance(error, NotReady) else 0.0
    seconds = max(backoff(failures, *bounds).total_seconds(), asked)
    return Hold(
        reason=described(error),
        until=now + seconds,
        failures=failures,
        reduction=reducing or pause.everything,
        retry=f"retrying after {seconds:.3g} s; the pause grows to {bounds[1].total_seconds():g} s at most",
    )
