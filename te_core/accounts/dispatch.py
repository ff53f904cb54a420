"""The last check before a request that changes something is sent: its plan is fresh, and the journal is still ours.

The order of steps makes this safe for a process that is suspended in between (I15, I23): the date is read first, then
plan and lock are checked, then the request is signed with that date. If the process is suspended before the check, the
check fails; if after it, the date is older than the exchange's receive window, whatever the wall clock was set to
meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from te_core.clock import Clock
from te_core.errors import NotReady

DECISION_AGE = 5.0
"""Seconds after which a decision is no longer executed: it is made again from newer observations."""

Refusal = Callable[[], str]
"""Return why nothing may be sent now; empty if it may."""

_present: ContextVar[Refusal | None] = ContextVar("dispatch", default=None)


class StaleDecision(NotReady):
    """The decision behind a request is outdated; nothing was sent, and the symbol is decided again at once."""


@contextmanager
def dispatching(refusal: Refusal) -> Iterator[None]:
    """Check every request that is dated inside the ``with`` block with ``refusal``."""
    token = _present.set(refusal)
    try:
        yield
    finally:
        _present.reset(token)


def dating(
    clock: Clock, holds_lock: Callable[[], bool], observing: Callable[[], str] = str
) -> Callable[[], datetime]:
    """Return the ``AccountContext.date`` of an engine. ``observing``: why nothing may be sent; empty if it may."""

    def date() -> datetime:
        at = clock.now()
        check_dispatch()
        check_sending(observing)
        if not holds_lock():
            raise NotReady("the journal file no longer belongs to this engine; nothing is sent")
        return at

    return date


def check_dispatch() -> None:
    """Raise ``StaleDecision`` if what is being dispatched is outdated by now."""
    refusal = _present.get()
    if refusal is not None and (reason := refusal()):
        raise StaleDecision(reason)


def check_sending(observing: Callable[[], str]) -> None:
    """Raise ``StaleDecision`` while an account is observed: no request that changes something is sent."""
    if why := observing():
        raise StaleDecision(f"observing: {why}")


def too_old(decided_at: float, clock: Clock) -> str:
    """Return why a decision made at ``decided_at`` (monotonic) must not be executed; empty if it may."""
    age = clock.monotonic() - decided_at
    if age <= DECISION_AGE:
        return ""
    return f"decision is {age:.1f} s old (limit {DECISION_AGE:g} s); deciding again"
