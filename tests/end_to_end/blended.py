"""What accounts should hold, computed slowly, in fractions, without any code of the engine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """A source's last signal for a symbol."""

    depth: Fraction
    leverage: Fraction | None = None


def blended_depth(weights: Mapping[str, Fraction], said: Mapping[str, Opinion]) -> Fraction:
    """Add up weight x depth; a source without a signal counts as flat."""
    return sum(
        (weight * said[source].depth for source, weight in weights.items() if source in said), Fraction(0)
    )


def blended_leverage(weights: Mapping[str, Fraction], said: Mapping[str, Opinion], *, configured: int) -> int:
    """Average the leverages that were stated by |weight x depth|, rounded half up, at least 1."""
    share = total = Fraction(0)
    for source, weight in weights.items():
        opinion = said.get(source)
        if opinion is not None and opinion.leverage is not None:
            share += abs(weight * opinion.depth)
            total += abs(weight * opinion.depth) * opinion.leverage
    if not share:
        return configured
    return max(1, math.floor(total / share + Fraction(1, 2)))


def quantity(
    notional: Fraction,
    *,
    price: Fraction,
    step: Fraction,
    minimum_notional: Fraction = Fraction(0),
    ceiling: Fraction | None = None,
) -> Fraction:
    """Convert a signed notional into a size: clipped, cut toward zero to the step, and flat below the minimum."""
    clipped = abs(notional) if ceiling is None else min(abs(notional), ceiling)
    size = math.floor(clipped / price / step) * step
    if size * price < minimum_notional:
        return Fraction(0)
    return size if notional > 0 else -size


@dataclass(kw_only=True)
class Ledger:
    """One position and its wallet: average entry, fees, realised profit."""

    wallet: Fraction
    fee: Fraction = Fraction(0)
    slippage: Fraction = Fraction(0)
    tick: Fraction = Fraction(0)
    held: Fraction = Fraction(0)
    entry: Fraction = Fraction(0)

    def move_to(self, goal: Fraction, price: Fraction) -> None:
        """Trade to the goal as the engine does: a flip closes first, and the rest opens."""
        if self.held * goal < 0:
            self._trade(-self.held, price)
        self._trade(goal - self.held, price)

    def _trade(self, change: Fraction, price: Fraction) -> None:
        if not change:
            return
        at = self._fill(price, buying=change > 0)
        self.wallet -= abs(change) * at * self.fee
        if self.held * change < 0:
            self.wallet += -change * (at - self.entry)
        else:
            self.entry = (self.held * self.entry + change * at) / (self.held + change)
        self.held += change

    def _fill(self, price: Fraction, *, buying: bool) -> Fraction:
        worse = price * (1 + self.slippage if buying else 1 - self.slippage)
        ticks = worse / self.tick
        return (math.ceil(ticks) if buying else math.floor(ticks)) * self.tick
