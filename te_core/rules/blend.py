"""Weighted signals become one depth and one leverage per symbol, and these one target per account. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from te_core.model.exits import Exits
from te_core.model.signal import Signal
from te_core.model.target import Blend, Target, Term

SMALLEST_CHANGE = Decimal("0.0001")
RELATIVE_CHANGE = Decimal("0.001")
ZERO = Decimal(0)
DECAY_STEPS = 20
"""A signal that decays does so in this many equal steps: every one is an order on every account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """A source's newest signal, and what to make of it when it is old. ``enabled``: False has no opinion.

    ``due``: when the source itself has to be heard again, whatever it says, and ``expect_every`` how often.
    ``said_at``: when the signal was said, if that is known better than from the message.
    """

    signal: Signal
    max_age: timedelta | None = None
    due: datetime | None = None
    expect_every: timedelta | None = None
    on_expiry: Literal["hold", "decay", "flat"] = "hold"
    enabled: bool = True
    said_at: datetime | None = None
    paused: str = ""
    """Why the source has no say at present; empty when it has. ``signal`` is what is held of it, or not counted."""
    share_closed: bool = False
    """A paused source's share is closed, not held."""

    def expires_at(self) -> datetime | None:
        """When the signal expires: by its own age, or because its source is silent."""
        expires_at = None if self.max_age is None else (self.said_at or self.signal.time) + self.max_age
        return expires_at if self.due is None else min(self.due, expires_at or self.due)

    def fades_over(self) -> timedelta:
        """How long ``decay`` takes: what it took to expire, once more."""
        silent = self.expect_every is not None and self.expires_at() == self.due
        return (self.expect_every if silent else self.max_age) or timedelta(0)

    def remaining(self, now: datetime) -> Decimal:
        """Give the share of the depth that still counts: 1 before it expires, then what ``on_expiry`` leaves."""
        expires_at = self.expires_at()
        if expires_at is None or now < expires_at or self.on_expiry == "hold":
            return Decimal(1)
        span = self.fades_over()
        if self.on_expiry == "flat" or not span:
            return ZERO
        return max(ZERO, 1 - Decimal(int(DECAY_STEPS * ((now - expires_at) / span))) / DECAY_STEPS)


def term(source: str, weight: Decimal, opinion: Opinion | None, now: datetime) -> Term:
    """Give one source's part. No signal, a disabled source and an expired "flat" one are 0."""
    if opinion is None:
        return Term(source=source, weight=weight, depth=ZERO, note="no signal yet")
    signal = opinion.signal
    depth, note = signal.depth, ""
    expires_at = opinion.expires_at()
    if not opinion.enabled:
        depth, note = ZERO, f"source is disabled (it said {signal.depth})"
    elif opinion.paused:
        depth, note = ZERO if opinion.share_closed else depth, opinion.paused
    elif expires_at is not None and now >= expires_at:
        note = f"expired at {expires_at:%Y-%m-%d %H:%M:%S}Z: {opinion.on_expiry}"
        if opinion.on_expiry != "hold":
            depth, note = signal.depth * opinion.remaining(now), f"{note} (it said {signal.depth})"
    return Term(
        source=source,
        weight=weight,
        depth=depth,
        leverage=signal.leverage,
        price=signal.price,
        time=signal.time,
        note=note,
        heard_at=None if opinion.paused else signal.received_at,
    )


def blend_leverage(terms: tuple[Term, ...], configured: int) -> int:
    """Average the stated leverages by |weight x depth|; whole, at least 1; the configured one where none is stated."""
    stated = [(abs(t.weight * t.depth), t.leverage) for t in terms if t.leverage is not None]
    total = sum((share for share, _ in stated), ZERO)
    if total == 0:
        return configured
    average = sum((share * leverage for share, leverage in stated), ZERO) / total
    return max(1, int(average.to_integral_value(rounding=ROUND_HALF_UP)))


def blend(
    symbol: str,
    *,
    weights: Mapping[str, Decimal],
    leverage: int,
    opinions: Mapping[str, Opinion],
    now: datetime,
) -> Blend:
    """Combine the opinions of a symbol's sources. ``leverage`` is the configured one. Depth is within -1 … 1."""
    terms = tuple(term(source, weight, opinions.get(source), now) for source, weight in weights.items())
    newest = max((t for t in terms if t.price is not None and t.time), key=_time, default=None)
    found = Blend(
        symbol=symbol,
        depth=sum((t.weight * t.depth for t in terms), ZERO),
        leverage=blend_leverage(terms, leverage),
        terms=terms,
        price=newest.price if newest else None,
    )
    exits = _exits(found.depth, terms, opinions)
    return found if exits is None else replace(found, exits=exits)


def _exits(depth: Decimal, terms: tuple[Term, ...], opinions: Mapping[str, Opinion]) -> Exits | None:
    """Return the exits of the newest opinion in the blend's direction that states any."""
    stating = [t for t in terms if t.weight * t.depth * depth > 0 and t.time and _stated(t, opinions)]
    newest = max(stating, key=_time, default=None)
    return _stated(newest, opinions) if newest is not None else None


def _stated(part: Term, opinions: Mapping[str, Opinion]) -> Exits | None:
    return opinions[part.source].signal.exits


def _time(part: Term) -> datetime:
    assert part.time is not None
    return part.time


def depth_changed(old: Decimal, new: Decimal) -> bool:
    """Tell whether two depths differ by more than max(0.0001, 0.1 % of the larger). To or from zero always counts."""
    if (old == 0) != (new == 0) or old * new < 0:
        return True
    return abs(new - old) > max(SMALLEST_CHANGE, RELATIVE_CHANGE * max(abs(old), abs(new)))


def target_changed(old: Target, new: Target) -> bool:
    """Tell whether a target differs enough to act on. Leverage and margin mode mean nothing while flat."""
    if depth_changed(old.depth, new.depth):
        return True
    return new.depth != 0 and (old.leverage, old.margin_mode) != (new.leverage, new.margin_mode)
