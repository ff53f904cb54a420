"""Times as people say them: ``fri``, ``2h``, ``yesterday 18:30``, or ISO 8601. Pure: "now" is passed in.

A time without a zone is local time. A day or a month means its beginning for ``--since`` and its end for ``--until``.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated

import typer

from te_core.cli.failure import ExitCode, Failure

EXAMPLES = "2h, 3d, today, yesterday 18:30, fri, last fri, 2026-03-01, 2026-03-01T12:00Z"

Since = Annotated[str, typer.Option("--since", metavar="TIME", help=f"Start of the period: {EXAMPLES}.")]
Until = Annotated[
    str,
    typer.Option("--until", metavar="TIME", help="End of the period; a day or a month is included in full."),
]

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_LONG = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hour": "h", "day": "d", "week": "w"}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_FIRST = datetime(1970, 1, 2, tzinfo=UTC)
"""The earliest time in queries: earlier ones do not fit everywhere."""


def since(text: str, now: datetime, *, zone: tzinfo | None = None, option: str = "--since") -> datetime:
    """Return the beginning of a time, in UTC. ``now``: aware. ``zone``: default local time. Raises ``Failure``."""
    return _read(text, now, zone, option)[0]


def until(text: str, now: datetime, *, zone: tzinfo | None = None, option: str = "--until") -> datetime:
    """Return the end of a time, in UTC: a day or a month ends where the next one begins. Raises ``Failure``."""
    return _read(text, now, zone, option)[1]


def period(
    since_text: str, until_text: str, now: datetime, *, zone: tzinfo | None = None
) -> tuple[datetime | None, datetime | None]:
    """Return the period that the two options select, None for an option not given. Raises ``Failure``."""
    begin = since(since_text, now, zone=zone) if since_text else None
    end = until(until_text, now, zone=zone) if until_text else None
    if begin is not None and end is not None and end <= begin:
        raise Failure(
            f"--until {until_text} ({end:%Y-%m-%d %H:%MZ}) is not after --since {since_text} ({begin:%Y-%m-%d %H:%MZ})",
            code=ExitCode.INVALID,
        )
    return begin, end


def _read(text: str, now: datetime, zone: tzinfo | None, option: str) -> tuple[datetime, datetime]:
    said = " ".join(text.lower().split())
    try:
        found = (
            _ago(said, now) or _parse_time(text.strip(), zone) or _month(said, zone) or _day(said, now, zone)
        )
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise Failure(
            f"{option} {text!r} is not a time", next_step=f"such as {EXAMPLES}", code=ExitCode.INVALID
        )
    begin, end = found
    return max(begin, _FIRST), max(end, _FIRST)


def _ago(said: str, now: datetime) -> tuple[datetime, datetime] | None:
    """Parse ``now``, ``90s``, ``1h30m``, ``2 hours ago``."""
    if said == "now":
        return now.astimezone(UTC), now.astimezone(UTC)
    words = said.removesuffix(" ago")
    parts = _PART.findall(words)
    if not parts or _PART.sub("", words):
        return None
    units = [unit if unit in _UNITS else _LONG.get(unit.removesuffix("s"), "") for _, unit in parts]
    if "" in units:
        return None
    lasts = sum((float(n) * _UNITS[unit] for (n, _), unit in zip(parts, units, strict=True)), timedelta())
    at = now.astimezone(UTC) - lasts
    return at, at


def _parse_time(text: str, zone: tzinfo | None) -> tuple[datetime, datetime] | None:
    """Parse ISO 8601: a date is a whole day."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        try:
            at = _in_utc(datetime.fromisoformat(text), zone)
        except ValueError:
            return None
        return at, at
    return _span(day, day + timedelta(days=1), zone)


def _month(said: str, zone: tzinfo | None) -> tuple[datetime, datetime] | None:
    """Parse ``2026-03``."""
    found = _MONTH.fullmatch(said)
    if found is None:
        return None
    first = date(int(found[1]), int(found[2]), 1)
    return _span(first, (first + timedelta(days=31)).replace(day=1), zone)


def _day(said: str, now: datetime, zone: tzinfo | None) -> tuple[datetime, datetime] | None:
    """Parse ``today``, ``fri``, ``last friday``, ``this week``, ``18:30``, and a day with a time of day."""
    today = now.astimezone(zone).date()
    name, _, clock = said.rpartition(" ") if _CLOCK.fullmatch(said.rpartition(" ")[2]) else (said, "", "")
    if name in ("this week", "this month") and not clock:
        first = today.replace(day=1) if name == "this month" else today - timedelta(days=today.weekday())
        return _span(first, today + timedelta(days=1), zone)
    day = today if clock and not name else _named_day(name, today)
    if day is None:
        return None
    if not clock:
        return _span(day, day + timedelta(days=1), zone)
    hours, minutes, seconds = (int(part or 0) for part in _CLOCK.fullmatch(clock).groups())  # type: ignore[union-attr]
    at = _in_utc(datetime.combine(day, time(hours, minutes, seconds)), zone)
    if not name and at > now:  # "18:30", entered at noon
        at = _in_utc(datetime.combine(day - timedelta(days=1), time(hours, minutes, seconds)), zone)
    return at, at


def _named_day(name: str, today: date) -> date | None:
    """Return the most recent day of that name; None for an unknown name."""
    if name == "today":
        return today
    if name == "yesterday":
        return today - timedelta(days=1)
    short = name.removeprefix("last ")
    weekday = next((n for n, day in enumerate(_DAYS) if len(short) >= 3 and day.startswith(short)), None)
    if weekday is None:
        return None
    back = (today.weekday() - weekday) % 7
    return today - timedelta(days=back or (7 if name != short else 0))


def _span(first: date, after: date, zone: tzinfo | None) -> tuple[datetime, datetime]:
    midnight = time()
    return _in_utc(datetime.combine(first, midnight), zone), _in_utc(datetime.combine(after, midnight), zone)


def _in_utc(at: datetime, zone: tzinfo | None) -> datetime:
    """Return a time in UTC; one without a zone is local."""
    if at.tzinfo is None and zone is not None:
        at = at.replace(tzinfo=zone)
    return at.astimezone(UTC)
