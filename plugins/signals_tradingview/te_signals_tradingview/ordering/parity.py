"""The rules of ``ordering = "parity"``: those of the predecessor (the earlier program), whatever their merit.

The predecessor read a day's log file on every poll, sorted it, and walked it from left to right, resolving a flat and a
position within 5 seconds of each other by the state before them. Here one alert at a time arrives. The result of the
walk so far fits into a few values (``Walk``), which are persisted in each signal's detail and survive a restart.

Two of its habits need more than the log lines. The state before the first line of a symbol was its last poll's result,
else what the accounts held (``prior``). Two alerts more than ``poll`` apart are taken to have a poll between them: it
polled every half second. And two log files were never read together: ``zone`` is the time zone whose midnight separates
them.

Not reproduced: three alerts on a symbol within one microsecond, and files that expire or are touched after 60 days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from te_core.api import Signal
from te_signals_tradingview.formats.alert import Alert
from te_signals_tradingview.ordering.decision import OrderingDecision

WINDOW = timedelta(seconds=5)
NUDGE = timedelta(milliseconds=1)
UNRANKED = 3
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

Sequence = tuple[int, int | str]
"""Rank (0 number, 1 text, 2 event id, 3 none) and value; values of equal rank compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An alert as a line of the log."""

    at: datetime
    flat: bool
    """Whether its direction is flat."""
    open: bool
    """Whether its depth is not zero."""
    sequence: Sequence = (UNRANKED, "")

    def after(self, other: Line) -> bool:
        """Return whether it sorts behind a line that arrived earlier."""
        return (self.at, self.sequence) >= (other.at, other.sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The state of the walk."""

    state: bool | None = None
    """Open (True), flat (False) or unknown (None): before ``tail``, or now if there is no tail."""
    tail: Line | None = None
    """The last line, while it may still pair with the next."""
    fixed: bool = False
    """Whether the state no longer depends on the result of the last poll."""
    at: datetime = _LONG_AGO
    """The normalised time of the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The walk after one more line."""

    walk: Walk
    current: bool
    """Whether the new line is the result."""
    basis: str
    """The predecessor's word for the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the predecessor's results depended on besides the alerts."""

    poll: timedelta = timedelta(milliseconds=500)
    zone: tzinfo = UTC
    prior: Mapping[str, bool] = field(default_factory=dict)
    """Symbol to whether the accounts held a position before its first alert."""


def step(walk: Walk, new: Line, *, result: tuple[datetime, bool] | None, habits: Habits) -> Step:
    """Advance the walk by one line. ``result``: when the line before arrived, and whether the result is open since."""
    if result is not None and not walk.fixed and new.at - result[0] > habits.poll:
        walk = replace(walk, state=result[1])
    tail = walk.tail
    if tail is None:
        return _append(walk, new)
    separate = new.at.astimezone(habits.zone).date() != tail.at.astimezone(habits.zone).date()
    if not separate and new.flat != tail.flat and abs(new.at - tail.at) <= WINDOW:
        return _pair(walk, tail, new)
    if not separate and not new.after(tail):
        return Step(walk=replace(walk, state=new.open, fixed=True), current=False, basis="chronological")
    return _append(replace(walk, state=tail.open, fixed=True), new)


def _append(walk: Walk, new: Line) -> Step:
    return Step(walk=replace(walk, tail=new, at=new.at), current=True, basis="chronological")


def _pair(walk: Walk, tail: Line, new: Line) -> Step:
    ranked = tail.sequence[0] == new.sequence[0] < UNRANKED and tail.sequence[1] != new.sequence[1]
    in_order = new.after(tail)
    if ranked:
        basis, last = "explicit_sequence", max(tail, new, key=lambda line: line.sequence[1])
    elif walk.state is None:
        basis, last = "chronological", new if in_order else tail
    elif walk.state:
        basis, last = "stateful_close_then_open", tail if new.flat else new
    else:
        basis, last = "stateful_open_then_close", new if new.flat else tail
    earliest, latest = sorted((tail.at, new.at))
    as_they_came = (last is new) == in_order and earliest < latest
    walk = Walk(state=last.open, fixed=walk.fixed or ranked, at=latest if as_they_came else earliest + NUDGE)
    return Step(walk=walk, current=last is new, basis=basis)


# -- between a signal's detail and the walk


def order_alert(
    new: Alert, *, latest: Signal | None, arrived: Signal | None, symbol: str, habits: Habits
) -> OrderingDecision:
    """Decide whether an alert takes over as the predecessor would have."""
    if latest is not None and new.closes and latest.depth * new.closes < 0:
        stored = arrived.detail.get("walk") if arrived is not None else None
        return OrderingDecision(current=False, rule="other_side", detail={"walk": stored} if stored else {})
    walk, result = Walk(state=habits.prior.get(symbol)), None
    if latest is not None and arrived is not None:
        stored = arrived.detail.get("walk")
        walk = Walk(state=latest.depth != 0, fixed=True) if stored is None else _from_detail(stored)
        result = (arrived.received_at, latest.depth != 0)
    done = step(walk, line_of(new), result=result, habits=habits)
    return OrderingDecision(current=done.current, rule=done.basis, detail={"walk": _to_detail(done.walk)})


def line_of(alert: Alert) -> Line:
    """Return an alert as a line of the log."""
    return Line(at=alert.received_at, flat=alert.flat, open=alert.depth != 0, sequence=sequence_of(alert))


def sequence_of(alert: Alert) -> Sequence:
    """Rank an alert's sequence as the predecessor did."""
    if alert.sequence:
        try:
            return 0, int(alert.sequence)
        except ValueError:
            return 1, alert.sequence
    return (2, alert.event_id) if alert.event_id else (UNRANKED, "")


def _to_detail(walk: Walk) -> dict[str, Any]:
    detail: dict[str, Any] = {"state": walk.state, "fixed": walk.fixed, "at": walk.at.isoformat()}
    if walk.tail is not None:
        tail = walk.tail
        detail["tail"] = [tail.at.isoformat(), tail.flat, tail.open, *tail.sequence]
    return detail


def _from_detail(detail: Mapping[str, Any]) -> Walk:
    tail = None
    if "tail" in detail:
        at, flat, is_open, rank, value = detail["tail"]
        tail = Line(at=datetime.fromisoformat(at), flat=flat, open=is_open, sequence=(rank, value))
    return Walk(
        state=detail["state"], tail=tail, fixed=detail["fixed"], at=datetime.fromisoformat(detail["at"])
    )
