"""Hours of the week: whether any apply now, and until when; when a time of day comes next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from te_core.model.hours import DAY, WEEK, Hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """A reason for no increases that applies now."""

    why: str
    """For people."""
    until: datetime
    """When it ends, in UTC."""


def quiet(hours: Iterable[Hours], now: datetime) -> Quiet | None:
    """Return the hours that apply now; of several, those that end last. None if none apply."""
    found = [one for each in hours if (one := _holds(each, now)) is not None]
    return max(found, key=lambda one: one.until, default=None)


def _holds(hours: Hours, now: datetime) -> Quiet | None:
    zone = ZoneInfo(hours.zone)
    local = now.astimezone(zone).replace(tzinfo=None)
    monday = (local - timedelta(days=local.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    minute = local.weekday() * DAY + local.hour * 60 + local.minute
    ends = [end for begin, end in hours.spans if begin <= minute < end]
    if not ends:
        return None
    end = _joined(hours.spans, max(ends))
    # The local clock of the zone counts, even if daylight saving time begins or ends in between.
    until = (monday + timedelta(minutes=end)).replace(tzinfo=zone).astimezone(UTC)
    return Quiet(why=f"no increases in these hours: {hours.text} (until {until:%a %H:%M} UTC)", until=until)


def _joined(spans: Iterable[tuple[int, int]], end: int) -> int:
    """Return where a span really ends: others may begin in the minute in which it ends, also in the next week."""
    rest = set(spans)
    while True:
        following = [span for span in rest if span[0] <= end % WEEK < span[1]]
        if not following:
            return end
        rest -= set(following)
        end += max(to for _, to in following) - end % WEEK


def next_time_of_day(at: str, zone: str, now: datetime) -> datetime:
    """Return when the clock of a zone next shows a time such as 07:30, as UTC; always later than now.

    If it does not exist on a day because daylight saving time begins, the UTC offset from before the change is used.
    """
    local = now.astimezone(ZoneInfo(zone))
    for days in range(3):
        day = (local + timedelta(days=days)).date()
        due = datetime.combine(day, time.fromisoformat(at), ZoneInfo(zone)).astimezone(UTC)
        if due > now:
            return due
    raise AssertionError("a day has no more than 25 hours")
