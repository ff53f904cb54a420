"""Parse hours of the week as they are written in the settings."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from te_core.model.hours import DAY, WEEK, Hours

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXAMPLES = "'22:00-06:00', 'sat-sun', 'mon-fri 14:25-14:40 America/New_York', 'fri 22:00 - sun 22:00'"

_DAY = "(?:" + "|".join(DAYS) + ")"
_TIME = r"([01]?\d|2[0-4]):([0-5]\d)"
_ACROSS = re.compile(rf"({_DAY}) +{_TIME} *- *({_DAY}) +{_TIME}")
_DAILY = re.compile(rf"(?:({_DAY}(?:[-,]{_DAY})*) *)?(?:{_TIME} *- *{_TIME})?")
_ZONE = re.compile(r"(.*?)(?: +((?:UTC|[A-Z][A-Za-z_]+/[A-Za-z_/+\-0-9]+)))?")


def parse_hours(text: str) -> Hours:
    """Return the hours that a text states. Raise `ValueError` if it cannot be parsed."""
    whole = _ZONE.fullmatch(" ".join(text.split()))
    assert whole is not None  # it matches any text
    zone = whole.group(2) or "UTC"
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(
            f"{text!r}: unknown time zone {zone!r}; write UTC, or a name like Europe/Berlin"
        ) from None
    spans = _spans(whole.group(1).strip().lower())
    if not spans:
        raise ValueError(f"{text!r} does not state hours of the week; write {EXAMPLES}")
    return Hours(text=text, spans=spans, zone=zone)


def _spans(text: str) -> tuple[tuple[int, int], ...]:
    if (across := _ACROSS.fullmatch(text)) is not None:
        first, hour, minute, last, until_hour, until_minute = across.groups()
        begin = DAYS.index(first) * DAY + _minutes(hour, minute)
        end = DAYS.index(last) * DAY + _minutes(until_hour, until_minute)
        return _wrapped(begin, end if end > begin else end + WEEK)
    daily = _DAILY.fullmatch(text)
    if daily is None or not text:
        return ()
    days, hour, minute, until_hour, until_minute = daily.groups()
    begin, end = (0, DAY) if hour is None else (_minutes(hour, minute), _minutes(until_hour, until_minute))
    if begin == end or begin >= DAY or max(begin, end) > DAY:
        return ()
    length = (end - begin) % DAY or DAY
    return tuple(
        span for day in _days(days) for span in _wrapped(day * DAY + begin, day * DAY + begin + length)
    )


def _minutes(hour: str, minute: str) -> int:
    return int(hour) * 60 + int(minute)


def _days(text: str | None) -> tuple[int, ...]:
    """Return the days of a list such as ``mon-wed,sat``; all days if there is no list."""
    if text is None:
        return tuple(range(len(DAYS)))
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin = DAYS.index(first)
        count = (DAYS.index(last[:3] or first) - begin) % len(DAYS)
        found += [(begin + ahead) % len(DAYS) for ahead in range(count + 1)]
    return tuple(dict.fromkeys(found))


def _wrapped(begin: int, end: int) -> tuple[tuple[int, int], ...]:
    """Return a span that may extend beyond Sunday as spans within the week."""
    return ((begin, end),) if end <= WEEK else ((begin, WEEK), (0, end - WEEK))
