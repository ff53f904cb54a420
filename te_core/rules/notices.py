"""Which events one receiver is told of, together with which others, and when. Pure.

Times are steady seconds, except for ``wall`` (aware UTC), by which quiet hours are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from te_core.model.event import CHATTY, EVERY_KIND, SEVERAL, Event
from te_core.model.hours import Hours
from te_core.rules.hours import quiet

ONE_FAILURE = 120.0
"""Seconds within which what fails of one account belongs to what was told to fail of it; also for the end."""
MOST = 500
"""Events that are gathered at most; the oldest give way."""
LINES = 12
"""Lines of one notice."""
WHOLE = ""
"""The account or source as a whole, beside its symbols."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePolicy:
    """What a receiver wants. ``gather``: seconds; ``per_hour``: notices, 0 for no limit.

    ``critical`` kinds are told at once, in quiet hours and above the limit, too.
    """

    kinds: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()
    critical: frozenset[str] = frozenset()
    gather: float = 0.0
    per_hour: int = 0
    quiet: tuple[Hours, ...] = ()

    def wants(self, kind: str) -> bool:
        """Return whether events of a kind are told at all. No kinds: all but the chatty ones."""
        if kind in self.mute:
            return False
        if kind in self.kinds or EVERY_KIND in self.kinds:
            return True
        return not self.kinds and kind not in CHATTY

    @property
    def burst(self) -> int:
        """Notices that may come one right after the other."""
        return max(1, self.per_hour // 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """What fails of an account or source, since it was told. ``ended``: its own end, which waits for its symbols."""

    told_at: float
    parts: frozenset[str]
    ended: Event | None = None
    ended_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """What has happened and is not told yet. ``held``: what is gathered could not go when it was due."""

    urgent: tuple[Event, ...] = ()
    gathered: tuple[Event, ...] = ()
    since: float = 0.0
    held: bool = False
    failing: Mapping[str, Failing] = field(default_factory=dict)
    spent: float = 0.0
    """Notices that count against the limit, at ``spent_at``; they are forgotten bit by bit."""
    spent_at: float = 0.0
    dropped: int = 0

    @property
    def waiting(self) -> int:
        """How many events are not told yet."""
        return len(self.urgent) + len(self.gathered)


def accepted(outbox: Outbox, event: Event, policy: NoticePolicy, now: float) -> Outbox:
    """Return the outbox with an event that happened, unless it is not wanted, or part of a failure that was told."""
    news: Event | None = event
    if event.kind == "outage":
        outbox, news = _failed(outbox, event, now)
    elif event.kind == "recovery":
        outbox, news = _recovered(outbox, event, now)
    if news is None or not policy.wants(news.kind):
        return outbox
    if news.kind in policy.critical:
        urgent = (*outbox.urgent, news)
        over = max(0, len(urgent) - MOST)
        return replace(outbox, urgent=urgent[over:], dropped=outbox.dropped + over)
    return _gathering(outbox, [news], now)


def due(
    outbox: Outbox, policy: NoticePolicy, now: float, wall: datetime
) -> tuple[Outbox, tuple[Event, ...], float | None]:
    """Return what is left, what is to be told now, and in how many seconds more may be due (None: when woken)."""
    outbox, ends_in = _ends(outbox, policy, now)
    told = list(outbox.urgent)
    outbox = replace(outbox, urgent=())
    wait: float | None = None
    while outbox.gathered and wait is None:
        wait, blocked = _wait(outbox, policy, now, wall)
        if wait is not None:
            outbox = replace(outbox, held=outbox.held or blocked)
            break
        batched = policy.gather > 0 or outbox.held
        count = len(outbox.gathered) if batched else 1
        told.append(merged(outbox.gathered[:count]))
        spent = _spent(outbox, policy, now) + 1
        rest = outbox.gathered[count:]
        outbox = replace(outbox, gathered=rest, held=False, spent=spent, spent_at=now)
    waits = [seconds for seconds in (wait, ends_in) if seconds is not None]
    return outbox, tuple(told), min(waits, default=None)


def merged(events: Iterable[Event]) -> Event:
    """Return several events as one, a line for each of the newest; a single one as it is."""
    told = list(events)
    if len(told) == 1:
        return told[0]
    kind, account, source, symbol = (
        _common(getattr(event, name) for event in told) for name in ("kind", "account", "source", "symbol")
    )
    lines = [_line(event, kind, account, source, symbol) for event in told[-LINES:]]
    if len(told) > LINES:
        counts = ", ".join(f"{count} {name}" for name, count in Counter(e.kind for e in told).most_common())
        lines.insert(0, f"{len(told)} events ({counts}); the newest:")
    return Event(
        at=told[0].at,
        kind=kind or SEVERAL,
        text="\n".join(lines),
        account=account,
        source=source,
        symbol=symbol,
        detail={"events": len(told), "kinds": dict(Counter(event.kind for event in told))},
    )


def _common(values: Iterable[str | None]) -> str | None:
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _line(event: Event, *common: str | None) -> str:
    """Say an event in one line, without what all have in common."""
    parts = (event.kind, event.account, event.source, event.symbol)
    own = " ".join(part for part, shared in zip(parts, common, strict=True) if part and part != shared)
    return f"{own}: {event.text}" if own else event.text


def _gathering(outbox: Outbox, events: Iterable[Event], now: float) -> Outbox:
    gathered = (*outbox.gathered, *events)
    over = max(0, len(gathered) - MOST)
    since = outbox.since if outbox.gathered else now
    return replace(outbox, gathered=gathered[over:], since=since, dropped=outbox.dropped + over)


def _wait(outbox: Outbox, policy: NoticePolicy, now: float, wall: datetime) -> tuple[float | None, bool]:
    """Return for how long what is gathered has to wait, and whether quiet hours or the limit say so."""
    hours = quiet(policy.quiet, wall)
    if hours is not None:
        return (hours.until - wall).total_seconds(), True
    if (left := outbox.since + policy.gather - now) > 0:
        return left, False
    if policy.per_hour and (over := _spent(outbox, policy, now) + 1 - policy.burst) > 0:
        return over * 3600 / policy.per_hour, True
    return None, False


def _spent(outbox: Outbox, policy: NoticePolicy, now: float) -> float:
    return max(0.0, outbox.spent - (now - outbox.spent_at) * policy.per_hour / 3600)


# -- one failure, one notice at its start and one at its end


def _whom(event: Event) -> str:
    return event.account or event.source or ""


def _failed(outbox: Outbox, event: Event, now: float) -> tuple[Outbox, Event | None]:
    whom, part = _whom(event), event.symbol or WHOLE
    known = outbox.failing.get(whom)
    if known is None:
        made = Failing(told_at=now, parts=frozenset({part}))
        return _with(outbox, whom, made), event
    told = now - known.told_at < ONE_FAILURE or (WHOLE in known.parts and part != WHOLE)
    again = part == WHOLE and known.ended is not None
    made = replace(
        known,
        told_at=known.told_at if told else now,
        parts=known.parts | {part},
        ended=None if again else known.ended,
    )
    # It failed again before its end was told: to whoever is told nothing has changed.
    return _with(outbox, whom, made), None if told or again else event


def _recovered(outbox: Outbox, event: Event, now: float) -> tuple[Outbox, Event | None]:
    whom, part = _whom(event), event.symbol or WHOLE
    known = outbox.failing.get(whom)
    if known is None:
        return outbox, event
    parts = known.parts - {part}
    if not parts:
        return _without(outbox, whom), known.ended or event
    ended, at = (event, now) if part == WHOLE else (known.ended, known.ended_at)
    return _with(outbox, whom, replace(known, parts=parts, ended=ended, ended_at=at)), None


def _ends(outbox: Outbox, policy: NoticePolicy, now: float) -> tuple[Outbox, float | None]:
    """Gather the ends whose symbols did not follow in time; return in how many seconds the next one is due."""
    waits = []
    for whom, known in outbox.failing.items():
        if known.ended is None:
            continue
        if (left := known.ended_at + ONE_FAILURE - now) > 0:
            waits.append(left)
            continue
        still = ", ".join(sorted(known.parts))
        event = replace(known.ended, text=f"{known.ended.text}; still failing: {still}")
        outbox = _with(outbox, whom, replace(known, ended=None, told_at=now))
        if policy.wants(event.kind):
            outbox = _gathering(outbox, [event], now)
    return outbox, min(waits, default=None)


def _with(outbox: Outbox, whom: str, failing: Failing) -> Outbox:
    return replace(outbox, failing={**outbox.failing, whom: failing})


def _without(outbox: Outbox, whom: str) -> Outbox:
    left = {name: known for name, known in outbox.failing.items() if name != whom}
    return replace(outbox, failing=left)
