"""When an exchange's API key is reported to expire. Pure.

Bybit and BloFin let a key that is not bound to an address expire after about three months: an engine that runs
unattended for that long would lose the account from one minute to the next.
"""

from __future__ import annotations

from datetime import datetime, timedelta

DAYS = (14, 7, 3, 1)
"""Days before the end at which the operator is warned, once each."""
DAY = timedelta(days=1)


def stage(expires_at: datetime, now: datetime) -> int | None:
    """Return the number of days of the newest warning that is due; None while there is more time than that."""
    return min((days for days in DAYS if expires_at - now <= days * DAY), default=None)


def until_next_read(expires_at: datetime, now: datetime) -> timedelta:
    """Return the time until the key is read again: at each warning, and daily from the first one."""
    dues = (expires_at - days * DAY - now for days in DAYS)
    following = min((due for due in dues if due > timedelta()), default=DAY)
    return following if stage(expires_at, now) is None else min(following, DAY)


def remaining(expires_at: datetime, now: datetime) -> str:
    """Return the remaining time in words: ``in 6 days``, ``in 5 hours``, ``now``."""
    hours = int((expires_at - now) / timedelta(hours=1))
    count, unit = (hours, "hour") if hours < 48 else (hours // 24, "day")
    return "now" if count < 1 else f"in {count} {unit}{'' if count == 1 else 's'}"
