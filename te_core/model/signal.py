"""A source's latest opinion on one symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from te_core.errors import SignalRejected
from te_core.model.exits import Exits


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What one source wants for one symbol. Raises ``SignalRejected`` for values out of range."""

    source: str
    symbol: str
    depth: Decimal
    """Target exposure: signed share of what the source may steer, -1 … 1; 0 is flat."""
    time: datetime
    """When the signal was sent, by the sender's clock; ahead of ``received_at`` only as far as clocks differ."""
    received_at: datetime
    """When the engine received it, by its own clock."""
    leverage: Decimal | None = None
    """The leverage that the source requests, > 0; None to use the settings."""
    price: Decimal | None = None
    """In quote currency per base unit, > 0."""
    sequence: str | None = None
    """The source's own ordering key, if any."""
    delivery_id: str | None = None
    """Equal for two deliveries of the same message, so that the second has no effect (I2)."""
    current: bool = True
    """False if ordering placed it before a signal that arrived earlier: stored for the record only."""
    rule: str = "arrival"
    """The ordering rule that decided ``current``."""
    exits: Exits | None = None
    """The exits that the source states, if any."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What explains the signal later (unknown fields, contributors); JSON values without secrets."""

    def __post_init__(self) -> None:
        if not _fits(self):
            raise self._wrong_type()
        if not self.depth.is_finite() or not -1 <= self.depth <= 1:
            raise SignalRejected(f"{self.depth} is outside -1 … 1", field="depth")
        if self.leverage is not None:
            _check_positive(self.leverage, "leverage")
        if self.price is not None:
            _check_positive(self.price, "price")
        _check_time(self.time, "time")
        _check_time(self.received_at, "received_at")

    def _wrong_type(self) -> SignalRejected:
        """Return the error for the first field of a wrong type: annotations do not enforce types in a plugin."""
        for name, (kind, optional) in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind) and not (optional and value is None):
                expected = f"a {kind.__name__}{' or None' if optional else ''}"
                return SignalRejected(f"Signal(): {_shown(value)}, expected {expected}", field=name)
        raise AssertionError("unreachable: every field is of its type")


_KINDS: dict[str, tuple[type, bool]] = {
    "source": (str, False),
    "symbol": (str, False),
    "depth": (Decimal, False),
    "time": (datetime, False),
    "received_at": (datetime, False),
    "leverage": (Decimal, True),
    "price": (Decimal, True),
    "sequence": (str, True),
    "delivery_id": (str, True),
    "current": (bool, False),
    "rule": (str, False),
    "exits": (Exits, True),
    "detail": (Mapping, False),
}
"""The type of each field, and whether it may be None."""


def _fits(signal: Any) -> bool:
    """Return whether every field has its type from ``_KINDS``; written for speed: each alert passes here twice."""
    return (
        isinstance(signal.depth, Decimal)
        and isinstance(signal.time, datetime)
        and isinstance(signal.received_at, datetime)
        and isinstance(signal.current, bool)
        and isinstance(signal.detail, Mapping)
        and (signal.leverage is None or isinstance(signal.leverage, Decimal))
        and (signal.price is None or isinstance(signal.price, Decimal))
        and isinstance(signal.source, str)
        and isinstance(signal.symbol, str)
        and isinstance(signal.rule, str)
        and (signal.exits is None or isinstance(signal.exits, Exits))
        and (signal.sequence is None or isinstance(signal.sequence, str))
        and (signal.delivery_id is None or isinstance(signal.delivery_id, str))
    )


def _shown(value: object) -> str:
    if isinstance(value, int | float | str):
        return f"{value!r:.40} is a {type(value).__name__}"
    return "it is None" if value is None else f"it is a {type(value).__name__}"


def _check_positive(value: Decimal, name: str) -> None:
    if not value.is_finite() or value <= 0:
        raise SignalRejected(f"{value} is not above zero", field=name)


def _check_time(value: datetime, name: str) -> None:
    if value.tzinfo is None:
        raise SignalRejected("the time has no time zone", field=name, hint="use aware UTC times")
    if not 1970 < value.year < 2200:  # further away, adding an age to it is an error of its own
        raise SignalRejected(f"year {value.year} is out of range (1971 … 2199)", field=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedInput:
    """Rejected input, stored (up to a bound) so that the operator can see what was wrong with it."""

    source: str
    received_at: datetime
    field: str
    reason: str
    body: str
