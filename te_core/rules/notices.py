"""Decides which events one receiver is sent, which of them are combined, and when. Pure.

Times are monotonic seconds, except for ``wall`` (aware UTC), by which quiet hours are applied.
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
"""Seconds within which further failures of an account belong to the one already reported; likewise for its end."""
MOST = 500
"""Maximum number of gathered events; beyond it, the oldest are dropped."""
LINES = 12
"""Maximum lines of one notice."""
MOMENT = 1e-6
"""Seconds that count as none: a clock that has run for hours cannot show the end of a shorter wait."""
WHOLE = ""
"""The account or source as a whole, as opposed to its symbols."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePolicy:
    """The settings of one receiver."""

    kinds: frozenset[str] = frozenset()
    mute: frozenset[str] = frozenset()
    critical: frozenset[str] = frozenset()
    """Kinds that are sent at once, even in quiet hours and above the limit."""
    gather: float = 0.0
    """Seconds for which events are gathered into one notice."""
    per_hour: int = 0
    """Maximum notices per hour; 0 for no limit."""
    quiet: tuple[Hours, ...] = ()

    def wants(self, kind: str) -> bool:
        """Return whether events of a kind are sent at all. No kinds: all but the chatty ones."""
        if kind in self.mute:
            return False
        if kind in self.kinds or EVERY_KIND in self.kinds:
            return True
        return not self.kinds and kind not in CHATTY

    @property
    def burst(self) -> int:
        """How many notices may be sent in immediate succession."""
        return max(1, self.per_hour // 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A reported failure of an account or source."""

    told_at: float
    """When it was reported."""
    parts: frozenset[str]
    """What is failing: the whole (``WHOLE``), or single symbols."""
    ended: Event | None = None
    """Its own recovery, held back until its symbols recover, too."""
    ended_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """Events that have happened and are not sent yet."""

    urgent: tuple[Event, ...] = ()
    gathered: tuple[Event, ...] = ()
    since: float = 0.0
    held: bool = False
    """Whether the gathered events could not be sent when they were due."""
    failing: Mapping[str, Failing] = field(default_factory=dict)
    spent: float = 0.0
    """Notices that count against the limit as of ``spent_at``; the number decays over time."""
    spent_at: float = 0.0
    dropped: int = 0

    @property
    def waiting(self) -> int:
        """How many events are not sent yet."""
        return len(self.urgent) + len(self.gathered)


def accepted(outbox: Outbox, event: Event, policy: NoticePolicy, now: float) -> Outbox:
    """Return the outbox with an event added, unless it is not wanted or part of a failure already reported."""
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
    """Return the remaining outbox, what to send now, and the seconds until more may be due (None: when woken)."""
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


def unsent(outbox: Outbox, policy: NoticePolicy) -> tuple[Event, ...]:
    """Return the events that are not sent yet, recoveries that are held back among them."""
    ends = (known.ended for known in outbox.failing.values())
    held_back = (end for end in ends if end is not None and policy.wants(end.kind))
    return (*outbox.urgent, *outbox.gathered, *held_back)


def restored(events: Iterable[Event], policy: NoticePolicy, now: float) -> Outbox:
    """Return an outbox with events that an earlier run did not send. Which failures it reported is not known."""
    found = tuple(events)
    urgent = tuple(event for event in found if event.kind in policy.critical)
    return _gathering(
        Outbox(urgent=urgent), (event for event in found if event.kind not in policy.critical), now
    )


def merged(events: Iterable[Event]) -> Event:
    """Return several events as one, with a line for each of the newest; return a single event unchanged."""
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
    """Return an event as one line, without what all events have in common."""
    parts = (event.kind, event.account, event.source, event.symbol)
    own = " ".join(part for part, shared in zip(parts, common, strict=True) if part and part != shared)
    return f"{own}: {event.text}" if own else event.text


def _gathering(outbox: Outbox, events: Iterable[Event], now: float) -> Outbox:
    gathered = (*outbox.gathered, *events)
    over = max(0, len(gathered) - MOST)
    since = outbox.since if outbox.gathered else now
    return replace(outbox, gathered=gathered[over:], since=since, dropped=outbox.dropped + over)


def _wait(outbox: Outbox, policy: NoticePolicy, now: float, wall: datetime) -> tuple[float | None, bool]:
    """Return how long gathered events must wait (None: not at all), and whether quiet hours or the limit cause it."""
    hours = quiet(policy.quiet, wall)
    if hours is not None:
        return (hours.until - wall).total_seconds(), True
    if (left := outbox.since + policy.gather - now) > MOMENT:
        return left, False
    if policy.per_hour:
        over = _spent(outbox, policy, now) + 1 - policy.burst
        if (left := over * 3600 / policy.per_hour) > MOMENT:
            return left, True
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
    # It failed again before its recovery was reported: for the receiver, nothing has changed.
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
    """Gather recoveries whose symbols did not follow in time; return the seconds until the next one is due."""
    waits = []
    for whom, known in outbox.failing.items():
        if known.ended is None:
            continue
        if (left := known.ended_at + ONE_FAILURE - now) > MOMENT:
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
