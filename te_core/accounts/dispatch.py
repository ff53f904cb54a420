"""The last word before a request that changes something leaves: its plan is fresh, and the journal is still ours.

The order of steps makes it hold for a process that was stopped in the middle (I15, I23): the date is taken first, then
plan and lock are checked, then the request is signed with that date. Stopped before the check, the check fails; stopped
after it, the date is older than the exchange's receive window, whatever the wall clock was set to meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from te_core.clock import Clock
from te_core.errors import NotReady

DECISION_AGE = 5.0
"""Seconds after which a decision is no longer carried out: it is made again from newer observations."""

Refusal = Callable[[], str]
"""Return why nothing may be sent now; empty when it may."""

_present: ContextVar[Refusal | None] = ContextVar("dispatch", default=None)


class StaleDecision(NotReady):
    """The decision behind a request is too old; nothing was sent, and the symbol is decided again at once."""


@contextmanager
def dispatching(refusal: Refusal) -> Iterator[None]:
    """Have every request that is dated meanwhile checked by ``refusal``."""
    token = _present.set(refusal)
    try:
        yield
    finally:
        _present.reset(token)


def dating(
    clock: Clock, holds_lock: Callable[[], bool], observing: Callable[[], str] = str
) -> Callable[[], datetime]:
    """Return the ``AccountContext.date`` of an engine. ``observing``: why nothing is sent; empty when it may be."""

    def date() -> datetime:
        at = clock.now()
        refusal = _present.get()
        reason = refusal() if refusal is not None else ""
        if reason:
            raise StaleDecision(reason)
        check_sending(observing)
        if not holds_lock():
            raise NotReady("the journal at its path is not this engine's any more: nothing is sent")
        return at

    return date


def check_sending(observing: Callable[[], str]) -> None:
    """Raise ``StaleDecision`` while an account observes: nothing that changes something leaves."""
    if why := observing():
        raise StaleDecision(f"observing: {why}")


def too_old(decided_at: float, clock: Clock) -> str:
    """Return why a decision made at ``decided_at`` (steady clock) must not be carried out; empty when it may."""
    age = clock.monotonic() - decided_at
    if age <= DECISION_AGE:
        return ""
    return f"decided {age:.1f} s ago, which is too long: decided again"
