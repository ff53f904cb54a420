"""Which error leads to which pause: the only table of it."""

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
    """How long a symbol waits after consecutive failures: ``first``, doubled up to ``last``.

    None for ``first`` and ``last``: as ``engine.backoff_first`` and ``engine.backoff_last`` say. ``reductions``: the
    same for orders that lower risk, which are tried sooner. ``everything``: both kinds wait for it alike.
    """

    first: timedelta | None = None
    last: timedelta | None = None
    reductions: tuple[timedelta, timedelta] = (timedelta(seconds=1), timedelta(seconds=60))
    everything: bool = False


SLOW = (timedelta(minutes=1), timedelta(hours=1))
PAUSES: tuple[tuple[type[Exception], Pause], ...] = (
    (RateLimited, Pause()),
    (AuthError, Pause(first=SLOW[0], last=SLOW[1], reductions=SLOW, everything=True)),
    (ConfigError, Pause(first=SLOW[0], last=SLOW[1], reductions=SLOW, everything=True)),
    (NotReady, Pause()),
    (OutcomeUnknown, Pause(reductions=(timedelta(seconds=1), timedelta(seconds=30)))),
    (OrderRejected, Pause()),
)
"""By class of error, the first match counts; anything else is a defect and waits like a rejection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a symbol is held back, until when (steady clock), and after how many consecutive failures.

    ``reduction``: what failed was a reduction, so reductions wait too. ``retry``: how it is tried again, for people.
    """

    reason: str
    until: float
    failures: int
    reduction: bool
    retry: str = ""


def hold_after(
    error: BaseException,
    earlier: Hold | None,
    *,
    reducing: bool,
    now: float,
    first: timedelta,
    last: timedelta,
) -> Hold:
    """Return the hold that follows an error; ``earlier``: the present one. A longer ``retry_after`` is honoured."""
    pause = next((pause for kind, pause in PAUSES if isinstance(error, kind)), Pause())
    failures = (earlier.failures if earlier else 0) + 1
    bounds = pause.reductions if reducing else (pause.first or first, pause.last or last)
    asked = (error.retry_after or 0.0) if isinstance(error, NotReady) else 0.0
    seconds = max(backoff(failures, *bounds).total_seconds(), asked)
    return Hold(
        reason=described(error) if hasattr(error, "te_call") else str(error) or type(error).__name__,
        until=now + seconds,
        failures=failures,
        reduction=reducing or pause.everything,
        retry=f"tried again after {seconds:.3g} s, at most every {bounds[1].total_seconds():g} s",
    )
