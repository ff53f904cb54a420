"""Blends weighted signals into one depth and one leverage per symbol. Pure.

Depth is the target exposure: -1 … 1 of what a source may steer.
"""

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
"""How many equal steps a decaying signal takes: each step is an order on every account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """A source's newest signal, and how it counts once it is old."""

    signal: Signal
    max_age: timedelta | None = None
    due: datetime | None = None
    """When the source must be heard from again, whatever it sends."""
    expect_every: timedelta | None = None
    """How often the source must be heard from."""
    on_expiry: Literal["hold", "decay", "flat"] = "hold"
    enabled: bool = True
    """A disabled source has no opinion."""
    said_at: datetime | None = None
    """When the signal was sent, if that is known better than from the message."""
    paused: str = ""
    """Why the source is paused; empty if it is not. While paused, ``signal`` is the held share, or does not count."""
    share_closed: bool = False
    """Whether a paused source's share is closed rather than held."""

    def expires_at(self) -> datetime | None:
        """Return when the signal expires: by its own age, or because its source is silent. None: never."""
        expires_at = None if self.max_age is None else (self.said_at or self.signal.time) + self.max_age
        return expires_at if self.due is None else min(self.due, expires_at or self.due)

    def fades_over(self) -> timedelta:
        """Return how long ``decay`` takes: as long as it took to expire."""
        silent = self.expect_every is not None and self.expires_at() == self.due
        return (self.expect_every if silent else self.max_age) or timedelta(0)

    def remaining(self, now: datetime) -> Decimal:
        """Return the share of the depth that still counts: 1 before it expires, then according to ``on_expiry``."""
        expires_at = self.expires_at()
        if expires_at is None or now < expires_at or self.on_expiry == "hold":
            return Decimal(1)
        span = self.fades_over()
        if self.on_expiry == "flat" or not span:
            return ZERO
        return max(ZERO, 1 - Decimal(int(DECAY_STEPS * ((now - expires_at) / span))) / DECAY_STEPS)


def term(source: str, weight: Decimal, opinion: Opinion | None, now: datetime) -> Term:
    """Return one source's term. Without a signal, if disabled, and if expired with "flat", its depth is 0."""
    if opinion is None:
        return Term(source=source, weight=weight, depth=ZERO, note="no signal yet")
    signal = opinion.signal
    depth, note = signal.depth, ""
    expires_at = opinion.expires_at()
    if not opinion.enabled:
        depth, note = ZERO, f"source is disabled (signal: {signal.depth})"
    elif opinion.paused:
        depth, note = ZERO if opinion.share_closed else depth, opinion.paused
    elif expires_at is not None and now >= expires_at:
        note = f"expired at {expires_at:%Y-%m-%d %H:%M:%S}Z: {opinion.on_expiry}"
        if opinion.on_expiry != "hold":
            depth, note = signal.depth * opinion.remaining(now), f"{note} (signal: {signal.depth})"
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
    """Return the stated leverages averaged by |weight x depth|, rounded, at least 1; else ``configured``."""
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
    """Blend the opinions of a symbol's sources. ``leverage``: the configured one. The depth is within -1 … 1."""
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
    """Return whether two depths differ by more than max(0.0001, 0.1 % of the larger). To or from zero always counts."""
    if (old == 0) != (new == 0) or old * new < 0:
        return True
    return abs(new - old) > max(SMALLEST_CHANGE, RELATIVE_CHANGE * max(abs(old), abs(new)))


def target_changed(old: Target, new: Target) -> bool:
    """Return whether a target differs enough to act on. Leverage and margin mode are irrelevant while flat."""
    if depth_changed(old.depth, new.depth):
        return True
    return new.depth != 0 and (old.leverage, old.margin_mode) != (new.leverage, new.margin_mode)
