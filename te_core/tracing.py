"""Where the time of an alert goes: spans along its way, for whoever wants to look. By itself nothing is recorded.

receive (until it is answered) > journal; blend; for each account pass; order (until it is answered) > answer (waiting
for the exchange). What comes after the journal belongs to an alert by its symbol and the time at which it was
received: targets remember both, so that nothing is carried through mailboxes.
"""
# ruff: noqa: ARG002 - what is not recorded is not looked at

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Self

from te_core.model.cause import Cause
from te_core.model.target import Target

Alert = tuple[str, datetime]
"""A symbol, and when its signal was received."""


class Span:
    """A stretch of the way; this one is not recorded. As a context manager it holds those that begin meanwhile."""

    __slots__ = ()

    def set_attribute(self, name: str, value: str | int) -> None:
        """Add what is known by now."""

    def end(self) -> None:
        """End it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


NOTHING = Span()


class Tracer:
    """Begins spans; this one records none."""

    __slots__ = ()

    def begin(self, name: str, *, root: bool = False, **what: str | int) -> Span:
        """Begin a span within the one that holds this task, if any. ``root``: also without one."""
        return NOTHING

    def of_alert(
        self, name: str, alert: Alert | None, *, since: datetime | None = None, **what: str | int
    ) -> Span:
        """Begin a span of an alert's way; none if it is not known. ``since``: when it began, if not now."""
        return NOTHING

    def blending(self, symbols: Iterable[str]) -> Span:
        """Begin a span for each symbol's newest alert that was not blended yet."""
        return NOTHING

    def journaled(self, alert: Alert, span: Span) -> None:
        """Remember which way an alert is on. ``span``: that of its journal."""


OFF = Tracer()


def alert_of(target: Target | None, *, drift: bool) -> Alert | None:
    """Return the alert that led to a target; None where something else did. ``drift``: what is done is not for it."""
    if drift or target is None or target.cause is not Cause.SIGNAL or target.caused_at is None:
        return None
    return target.symbol, target.caused_at


def trace_pass(tracer: Tracer, target: Target | None, began: datetime, account: str, *, drift: bool) -> None:
    """Record what a pass was for an alert; one that was under way when the alert came took it along."""
    if (alert := alert_of(target, drift=drift)) is not None and target is not None:
        tracer.of_alert("pass", alert, since=max(began, target.created_at), account=account).end()
