"""A source's latest opinion on one symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from te_core.errors import SignalRejected


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
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.depth.is_finite() or abs(self.depth) > 1:
            raise SignalRejected(f"{self.depth} is outside -1 … 1", field="depth")
        if self.leverage is not None:
            _check_positive(self.leverage, "leverage")
        if self.price is not None:
            _check_positive(self.price, "price")
        if self.time.tzinfo is None or self.received_at.tzinfo is None:
            field = "time" if self.time.tzinfo is None else "received_at"
            raise SignalRejected("a time without zone", field=field, hint="use aware UTC times")


def _check_positive(value: Decimal, name: str) -> None:
    if not value.is_finite() or value <= 0:
        raise SignalRejected(f"{value} is not above zero", field=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedInput:
    """Input that was refused, kept (bounded) so that the operator can see what was wrong with it."""

    source: str
    received_at: datetime
    field: str
    reason: str
    body: str
