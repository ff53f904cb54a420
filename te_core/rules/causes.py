"""Determines what made a target change, for statistics and for order latency. Pure."""

from __future__ import annotations

from datetime import datetime

from te_core.model.cause import Cause
from te_core.model.control import ControlState
from te_core.model.target import Target, Term
from te_core.rules.controls import BY_HAND, STOP, Standing


def cause_of(new: Target, old: Target | None, held: Standing, *, enabled: bool) -> tuple[Cause, datetime]:
    """Return what made ``new`` replace ``old``, and when that happened. ``held``: what the commands allow."""
    if held.flat and held.since is not None:
        return (Cause.BREAKER if held.by_breaker else Cause.COMMAND), held.since
    if held.by_hand is not None:
        stopped = held.by_hand.state is ControlState.STOPPED
        return (Cause.STOP if stopped else Cause.COMMAND), held.by_hand.at
    received, before = _newest(new.terms), _last_received(old)
    if received is not None and (before is None or received > before) and enabled:
        return Cause.SIGNAL, received
    if old is not None and old.cause in (Cause.COMMAND, Cause.BREAKER, Cause.STOP):
        return Cause.COMMAND, new.created_at  # the command has ended
    if enabled and old is not None and _weights(new.terms) == _weights(old.terms) != ():
        return Cause.EXPIRY, new.created_at
    return Cause.SETTINGS, new.created_at


def _last_received(old: Target | None) -> datetime | None:
    """Return when the newest signal behind a target, or overridden by a manual depth, was received."""
    if old is not None and any(term.source in (BY_HAND, STOP) for term in old.terms):
        return old.caused_at
    return _newest(old.terms) if old is not None else None


def _newest(terms: tuple[Term, ...]) -> datetime | None:
    return max((term.heard_at for term in terms if term.heard_at is not None), default=None)


def _weights(terms: tuple[Term, ...]) -> tuple[object, ...]:
    return tuple((term.source, term.weight) for term in terms)
