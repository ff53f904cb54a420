"""Computes how long to wait after failures. Pure."""

from __future__ import annotations

from datetime import timedelta


def backoff(failures: int, first: timedelta, last: timedelta) -> timedelta:
    """Return ``first`` doubled with every further failure, at most ``last``; zero without a failure."""
    if failures <= 0:
        return timedelta(0)
    doublings: int = 2 ** min(failures - 1, 30)
    return min(first * doublings, last)
