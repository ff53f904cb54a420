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
    """What one source wants for one symbol.

    ``depth``: signed share of the source's allotment, -1 … 1; 0 is flat.
    ``leverage``: the source's wish, > 0, or None to leave it to the settings.
    ``price``: quote currency per base unit, > 0, or None.
    ``time``: when the source says it was said (its clock); ``received_at``: when it reached us (our clock).
    ``sequence``: the source's own ordering key, if any.
    ``delivery_id``: equal for two deliveries of one message, so that the second changes nothing (I2).
    ``current``: False when ordering placed it before a signal that came earlier: kept for the record only.
    ``rule``: which ordering rule decided that.
    ``exits``: where the source wants to leave the position, if it says so.
    ``detail``: what explains it later (unknown fields, contributors); JSON values without secrets.

    Raises ``SignalRejected`` for values outside these ranges.
    """

    source: str
    symbol: str
    depth: Decimal
    time: datetime
    received_at: datetime
    leverage: Decimal | None = None
    price: Decimal | None = None
    sequence: str | None = None
    delivery_id: str | None = None
    current: bool = True
    rule: str = "arrival"
    exits: Exits | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

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
        """Name the first field of a wrong type: annotations do not hold a plugin to them."""
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
    """Whether every field is of its type; as ``_KINDS`` says, in the fastest way: each alert passes here twice."""
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
        raise SignalRejected("a time without zone", field=name, hint="use aware UTC times")
    if not 1970 < value.year < 2200:  # further away, adding an age to it is an error of its own
        raise SignalRejected(f"{value.year} is not a year of this engine's", field=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedInput:
    """Input that was refused, kept (bounded) so that the operator can see what was wrong with it."""

    source: str
    received_at: datetime
    field: str
    reason: str
    body: str
