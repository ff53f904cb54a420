"""Spans along the way of an alert, to show where its time goes. This implementation records nothing.

receive (until the response) > journal; blend; for each account: pass; order (until the response) > answer (waiting
for the exchange). Spans after the journal are matched to an alert by its symbol and receive time: targets
store both, so that no trace context is passed through mailboxes.
"""
# ruff: noqa: ARG002 - this implementation ignores its arguments

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Self

from te_core.model.cause import Cause
from te_core.model.target import Target

Alert = tuple[str, datetime]
"""A symbol, and the time its signal was received."""


class Span:
    """One span; this one is not recorded. As a context manager, it is the parent of spans that begin inside."""

    __slots__ = ()

    def set_attribute(self, name: str, value: str | int) -> None:
        """Add an attribute that became known after the span began."""

    def end(self) -> None:
        """End the span."""

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
        """Begin a span inside the current task's span, if any. ``root``: begin one even if there is none."""
        return NOTHING

    def of_alert(
        self, name: str, alert: Alert | None, *, since: datetime | None = None, **what: str | int
    ) -> Span:
        """Begin a span of an alert; nothing is recorded if the alert is unknown.

        ``since``: its start, if not now; the start of the alert's blend counts instead if that was later.
        """
        return NOTHING

    def blending(self, symbols: Iterable[str]) -> Span:
        """Begin a span for the newest alert of each symbol that has not been blended yet."""
        return NOTHING

    def journaled(self, alert: Alert, span: Span) -> None:
        """Remember the trace that an alert belongs to. ``span``: its journal span."""


OFF = Tracer()


def alert_of(target: Target | None, *, drift: bool) -> Alert | None:
    """Return the alert that caused a target; None if something else did. ``drift``: the pass corrects drift instead."""
    if drift or target is None or target.cause is not Cause.SIGNAL or target.caused_at is None:
        return None
    return target.symbol, target.caused_at


def trace_pass(tracer: Tracer, target: Target | None, began: datetime, account: str, *, drift: bool) -> None:
    """Record the span of a pass for an alert; a pass already under way when the alert arrived included it."""
    if (alert := alert_of(target, drift=drift)) is not None:
        tracer.of_alert("pass", alert, since=began, account=account).end()
