"""How long to wait after failures. Pure."""

from __future__ import annotations

from datetime import timedelta


def backoff(failures: int, first: timedelta, last: timedelta) -> timedelta:
    """Give ``first`` doubled with every further failure, at most ``last``; nothing without a failure."""
    if failures <= 0:
        return timedelta(0)
    doublings: int = 2 ** min(failures - 1, 30)
    return min(first * doublings, last)
