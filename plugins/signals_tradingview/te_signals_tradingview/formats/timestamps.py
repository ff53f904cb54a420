"""When an alert says that it fired, and whether it arrived too late to follow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from te_core.api import SignalRejected
from te_signals_tradingview.formats.fields import text_of
from te_signals_tradingview.formats.json_body import JsonObject
from te_signals_tradingview.formats.numbers import number, quoted, to_number

FIELDS = ("timenow", "timestamp", "time", "order_time")
"""From the best to the worst: ``{{timenow}}`` is when the alert fired, ``{{time}}`` when the bar opened."""

FIRED = frozenset({"timenow", "timestamp", "order_time"})
"""The fields that order alerts. Bars of different intervals open at different times, whichever alert fires first."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(minutes=5)
_EARLIEST = datetime(2001, 9, 9, tzinfo=UTC)
"""Epoch times have had ten digits since then; a smaller number is not a time."""

_UNITS = ((10**11, 1), (10**14, 10**3), (10**17, 10**6))


class StatedTime(NamedTuple):
    """The time that an alert states."""

    at: datetime | None = None
    """None if no field has a readable time."""
    field: str = ""
    """The field that it was read from; empty without one."""
    fired_field: str | None = None
    """The same if it states when the alert fired, else None."""


def read_time(fields: JsonObject, received_at: datetime) -> StatedTime:
    """Return the time that an alert states.

    Raises ``SignalRejected`` if it is in the future, or if the alert arrived later than its ``max_lag`` allows.
    """
    for name in FIELDS:
        text = fields.get(name)
        at = parse_time(text.strip()) if isinstance(text, str) else None
        if at is not None:
            _refuse_future(at, str(text), name, received_at)
            if name not in FIRED:
                return StatedTime(at, name)
            _refuse_late(fields, at, received_at)
            return StatedTime(at, name, fired_field=name)
    return StatedTime()


def parse_time(text: str) -> datetime | None:
    """Parse ISO 8601 (UTC if no zone is stated) or an epoch in s, ms or µs; None for anything else."""
    try:
        epoch = to_number(text)
        parsed = _from_epoch(epoch) if epoch is not None else _from_iso(text)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed is not None and parsed >= _EARLIEST else None


def _from_iso(text: str) -> datetime:
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _from_epoch(epoch: Decimal) -> datetime | None:
    for limit, per_second in _UNITS:
        if epoch < limit:
            return _EPOCH + timedelta(microseconds=int(epoch * 10**6 / per_second))
    return None


def _refuse_future(at: datetime, text: str, field: str, received_at: datetime) -> None:
    """Raise ``SignalRejected`` for a time that is further ahead than clocks differ."""
    if at - received_at > _AHEAD:
        raise SignalRejected(
            f"{quoted(text)} is in the future: it is {received_at:%Y-%m-%d %H:%M:%S} UTC here",
            field=field,
            hint='send "{{timenow}}", which is UTC, or check the clock of this machine',
        )


def _refuse_late(fields: JsonObject, fired_at: datetime, received_at: datetime) -> None:
    """Raise ``SignalRejected`` for an alert that arrived later than its ``max_lag`` allows."""
    name = "max_lag" if "max_lag" in fields else "maxLag"
    text = text_of(fields, name)
    if text is None:
        return
    late = (received_at - fired_at).total_seconds()
    if late > number(text, name):
        raise SignalRejected(
            f"it fired {late:.0f} s ago, and may be at most {quoted(text)} s old",
            field=name,
            hint="nothing to do: the sender wants late alerts dropped",
        )
