"""Samples of what an account is worth: which are taken, and which may go as they age."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from te_core.model.money import EquitySample

AT_MOST_EVERY = timedelta(seconds=30)
AT_LEAST_EVERY = timedelta(minutes=5)
"""Pauses between two samples of an account: the shorter one when its value differs, the longer one in any case."""
RESOLUTIONS = (
    (timedelta(days=365), timedelta(days=1)),
    (timedelta(days=30), timedelta(hours=1)),
    (timedelta(days=1), timedelta(minutes=5)),
)
"""From which age on one sample of such a span is enough, oldest first."""
MOVED = Decimal("0.001")
"""The share by which a value has to differ for a sample before its time."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def worth_a_sample(last: EquitySample | None, new: EquitySample) -> bool:
    """Return whether a value is to be recorded after the one that was recorded last."""
    if last is None or not timedelta() <= new.at - last.at < AT_LEAST_EVERY:
        return True
    moved = abs(new.total - last.total) > MOVED * abs(last.total) or new.wallet != last.wallet
    return moved and new.at - last.at >= AT_MOST_EVERY


def span_of(at: datetime, now: datetime) -> tuple[timedelta, int] | None:
    """Return the span that a sample of that age stands for; None while it is too young to share one."""
    for age, span in RESOLUTIONS:
        if now - at >= age:
            return span, (at - _EPOCH) // span
    return None


def superfluous(
    samples: Iterable[tuple[int, str, datetime]],
    now: datetime,
    seen: Mapping[str, tuple[timedelta, int] | None] | None = None,
) -> tuple[list[int], dict[str, tuple[timedelta, int] | None]]:
    """Return the numbers of samples that others stand for: the first of each span stays.

    ``samples``: number, account and time, in the order of the numbers. ``seen``: by account, the span of the sample
    before them; returned as it is after them.
    """
    last = dict(seen or {})
    gone = []
    for number, account, at in samples:
        span = span_of(at, now)
        if span is not None and last.get(account) == span:
            gone.append(number)
        last[account] = span
    return gone, last
