"""When a message says that it was said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from te_core.api import SignalRejected
from te_signals_tradingview.number import quoted, to_number

FIELDS = ("timenow", "timestamp", "time", "order_time")
"""From the best to the worst: ``{{timenow}}`` is when the alert fired, ``{{time}}`` when the bar opened."""

FIRED = frozenset({"timenow", "timestamp", "order_time"})
"""Those that order alerts. Bars of different intervals open at different times, whichever alert fires first."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(minutes=5)
_EARLIEST = datetime(2001, 9, 9, tzinfo=UTC)
"""Epoch times have ten digits since then; smaller numbers are something else."""

_UNITS = ((10**11, 1), (10**14, 10**3), (10**17, 10**6))


def parse_moment(text: str) -> datetime | None:
    """Read ISO 8601 (UTC where no zone is given) or an epoch in s, ms or µs; None for anything else."""
    try:
        epoch = to_number(text)
        moment = _from_epoch(epoch) if epoch is not None else _from_iso(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment is not None and moment >= _EARLIEST else None


def _from_iso(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _from_epoch(epoch: Decimal) -> datetime | None:
    for limit, per_second in _UNITS:
        if epoch < limit:
            return _EPOCH + timedelta(microseconds=int(epoch * 10**6 / per_second))
    return None


def not_ahead(moment: datetime, text: str, field: str, received_at: datetime) -> datetime:
    """Raise ``SignalRejected`` for a time further ahead of our clock than clocks differ."""
    if moment - received_at > _AHEAD:
        raise SignalRejected(
            f"{quoted(text)} is in the future: it is {received_at:%Y-%m-%d %H:%M:%S} UTC here",
            field=field,
            hint='send "{{timenow}}", which is UTC, or check the clock of this machine',
        )
    return moment
