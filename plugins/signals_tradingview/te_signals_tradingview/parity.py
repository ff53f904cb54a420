"""The rules of the predecessor, for ``ordering = "parity"``: what it ended at, whatever one thinks of it.

It read a day's log file on every poll, sorted it, and walked it from left to right, resolving a flat and a position
within 5 seconds of each other by the state before them. Here one alert at a time arrives. What the walk so far comes to
fits into a few values (``Walk``), which travel in each signal's detail and so survive a restart.

Two of its habits need more than the lines themselves. The state before the first line of a symbol was its last poll's
result, else what the accounts held (``prior``). A poll is taken to have happened between two alerts that are more than
``poll`` apart: it came every half second. And two files never met: ``zone`` says whose midnight parts them.

Left out: three alerts on a symbol within one microsecond, and files that expire or are touched after 60 days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from te_core.api import Signal
from te_signals_tradingview.message import Message
from te_signals_tradingview.ordering import Placement

WINDOW = timedelta(seconds=5)
NUDGE = timedelta(milliseconds=1)
UNRANKED = 3
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

Sequence = tuple[int, int | str]
"""Rank (0 number, 1 text, 2 event id, 3 none) and value; of equal rank they compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An alert as the walk sees it. ``flat``: its direction; ``open``: whether its depth is not zero."""

    at: datetime
    flat: bool
    open: bool
    sequence: Sequence = (UNRANKED, "")

    def after(self, other: Line) -> bool:
        """Tell whether it sorts behind a line that came earlier."""
        return (self.at, self.sequence) >= (other.at, other.sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Where the walk stands. ``state``: open (True), flat or unknown (None) before ``tail``, or now if there is none.

    ``tail``: the last line, while it may still pair with the next. ``fixed``: the state no longer follows from that of
    the last poll. ``at``: the time of the result, as normalised.
    """

    state: bool | None = None
    tail: Line | None = None
    fixed: bool = False
    at: datetime = _LONG_AGO


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``current``: the new line is the result. ``basis``: the predecessor's word for why."""

    walk: Walk
    current: bool
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the predecessor's results depended on beside the alerts."""

    poll: timedelta = timedelta(milliseconds=500)
    zone: tzinfo = UTC
    prior: Mapping[str, bool] = field(default_factory=dict)


def step(walk: Walk, new: Line, *, result: tuple[datetime, bool] | None, habits: Habits) -> Step:
    """Take one more line. ``result``: when the line before arrived, and whether the result since then is open."""
    if result is not None and not walk.fixed and new.at - result[0] > habits.poll:
        walk = replace(walk, state=result[1])
    tail = walk.tail
    if tail is None:
        return _pass(walk, new)
    apart = new.at.astimezone(habits.zone).date() != tail.at.astimezone(habits.zone).date()
    if not apart and new.flat != tail.flat and abs(new.at - tail.at) <= WINDOW:
        return _pair(walk, tail, new)
    if not apart and not new.after(tail):
        return Step(walk=replace(walk, state=new.open, fixed=True), current=False, basis="chronological")
    return _pass(replace(walk, state=tail.open, fixed=True), new)


def _pass(walk: Walk, new: Line) -> Step:
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
    untouched = (last is new) == in_order and earliest < latest
    walk = Walk(state=last.open, fixed=walk.fixed or ranked, at=latest if untouched else earliest + NUDGE)
    return Step(walk=walk, current=last is new, basis=basis)


# -- between a signal's detail and the walk


def place(
    new: Message, *, latest: Signal | None, arrived: Signal | None, symbol: str, habits: Habits
) -> Placement:
    """Place a message as the predecessor would have."""
    if latest is not None and new.closes and latest.depth * new.closes < 0:
        kept = arrived.detail.get("walk") if arrived is not None else None
        return Placement(current=False, rule="other_side", memory={"walk": kept} if kept else {})
    walk, result = Walk(state=habits.prior.get(symbol)), None
    if latest is not None and arrived is not None:
        kept = arrived.detail.get("walk")
        walk = Walk(state=latest.depth != 0, fixed=True) if kept is None else _recall(kept)
        result = (arrived.received_at, latest.depth != 0)
    taken = step(walk, line(new), result=result, habits=habits)
    return Placement(current=taken.current, rule=taken.basis, memory={"walk": _kept(taken.walk)})


def line(message: Message) -> Line:
    """Give a message as the walk sees it."""
    return Line(
        at=message.received_at, flat=message.flat, open=message.depth != 0, sequence=sequence(message)
    )


def sequence(message: Message) -> Sequence:
    """Rank a message's sequence as the predecessor did."""
    if message.sequence:
        try:
            return 0, int(message.sequence)
        except ValueError:
            return 1, message.sequence
    return (2, message.event_id) if message.event_id else (UNRANKED, "")


def _kept(walk: Walk) -> dict[str, Any]:
    kept: dict[str, Any] = {"state": walk.state, "fixed": walk.fixed, "at": walk.at.isoformat()}
    if walk.tail is not None:
        tail = walk.tail
        kept["tail"] = [tail.at.isoformat(), tail.flat, tail.open, *tail.sequence]
    return kept


def _recall(kept: Mapping[str, Any]) -> Walk:
    tail = None
    if "tail" in kept:
        at, flat, is_open, rank, value = kept["tail"]
        tail = Line(at=datetime.fromisoformat(at), flat=flat, open=is_open, sequence=(rank, value))
    return Walk(state=kept["state"], tail=tail, fixed=kept["fixed"], at=datetime.fromisoformat(kept["at"]))
