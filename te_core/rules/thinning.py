"""Decides which samples of an account's value are recorded, and which are dropped as they age."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from te_core.model.money import EquitySample

AT_MOST_EVERY = timedelta(seconds=30)
AT_LEAST_EVERY = timedelta(minutes=5)
"""Pauses between two samples of an account: the shorter one if its value has changed, the longer one in any case."""
RESOLUTIONS = (
    (timedelta(days=365), timedelta(days=1)),
    (timedelta(days=30), timedelta(hours=1)),
    (timedelta(days=1), timedelta(minutes=5)),
)
"""From each age on, one sample per span is enough; oldest first."""
MOVED = Decimal("0.001")
"""The fraction by which a value must differ to be sampled early."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def worth_a_sample(last: EquitySample | None, new: EquitySample) -> bool:
    """Return whether to record a value after the last recorded one."""
    if last is None or not timedelta() <= new.at - last.at < AT_LEAST_EVERY:
        return True
    moved = abs(new.total - last.total) > MOVED * abs(last.total) or new.wallet != last.wallet
    return moved and new.at - last.at >= AT_MOST_EVERY


def span_of(at: datetime, now: datetime) -> tuple[timedelta, int] | None:
    """Return the span that a sample of that age represents; None while it is too young to be thinned."""
    for age, span in RESOLUTIONS:
        if now - at >= age:
            return span, (at - _EPOCH) // span
    return None


def superfluous(
    samples: Iterable[tuple[int, str, datetime]],
    now: datetime,
    seen: Mapping[str, tuple[timedelta, int] | None] | None = None,
) -> tuple[list[int], dict[str, tuple[timedelta, int] | None]]:
    """Return the numbers of samples that can be dropped: the first of each span stays.

    ``samples``: number, account and time, in the order of the numbers. ``seen``: by account, the span of the sample
    before them; the updated mapping is returned, too.
    """
    last = dict(seen or {})
    gone = []
    for number, account, at in samples:
        span = span_of(at, now)
        if span is not None and last.get(account) == span:
            gone.append(number)
        last[account] = span
    return gone, last
