"""Compute the maintenance margin of a position by its value. Pure.

Exchanges define it in tiers: the larger a position, the larger the rate for its value above a tier's floor. To avoid
jumps at the floors, each tier has a deduction ("maintenance amount"), computed here from the tiers below, which is
exact where an exchange rounds its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)
_ROUNDED = Decimal("1E-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """From a value of ``floor`` on, the maintenance margin is value x ``rate`` - ``deduction``, in settle currency."""

    floor: Decimal
    rate: Decimal
    deduction: Decimal


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The tiers of one symbol, smallest first; the first begins at 0."""

    tiers: tuple[Tier, ...]

    @classmethod
    def flat(cls, rate: Decimal) -> Maintenance:
        """Return one rate for positions of any size."""
        return cls((Tier(floor=ZERO, rate=rate, deduction=ZERO),))

    @classmethod
    def tiered(cls, rows: Iterable[tuple[Decimal, Decimal]]) -> Maintenance:
        """Return the tiers with those floors and rates.

        The first rate also applies below the first floor. Raises ``ValueError`` without any tier, or for a rate
        outside 0 … 1.
        """
        stated = dict(sorted(rows))
        if not stated or not all(0 <= rate < 1 for rate in stated.values()):
            raise ValueError(f"invalid tiers of maintenance margin: {stated}")
        tiers: list[Tier] = []
        for floor, rate in stated.items():
            below = tiers[-1] if tiers else None
            deduction = below.deduction + floor * (rate - below.rate) if below else ZERO
            tiers.append(Tier(floor=floor if below else ZERO, rate=rate, deduction=deduction))
        return cls(tuple(tiers))

    @property
    def is_flat(self) -> bool:
        """Whether one rate applies to every size."""
        return len(self.tiers) == 1

    def margin(self, value: Decimal) -> Decimal:
        """Return the maintenance margin of a position of that unsigned value."""
        tier = next(tier for tier in reversed(self.tiers) if value >= tier.floor)
        return value * tier.rate - tier.deduction

    def liquidation_price(self, quantity: Decimal, cost: Decimal, backing: Decimal) -> Decimal | None:
        """Return the mark at which ``backing`` plus profit no longer exceeds the margin; None if there is none.

        It solves backing + quantity x price - cost = rate x |quantity| x price - deduction, in the tier that the
        price leads to.
        """
        if not quantity:
            return None
        ceilings = [tier.floor for tier in self.tiers[1:]]
        for tier, ceiling in zip(self.tiers, [*ceilings, None], strict=True):
            price = (cost - backing - tier.deduction) / (quantity - tier.rate * abs(quantity))
            value = abs(quantity) * price
            # Rounding at a border must not leave the price outside both tiers.
            reached = value >= tier.floor - _ROUNDED
            if reached and (ceiling is None or value <= ceiling + _ROUNDED):
                return price if price > 0 else None
        return None


@dataclass(frozen=True, slots=True)
class Margins:
    """The maintenance margin of every symbol: its own tiers, else ``usual``."""

    usual: Maintenance
    by_symbol: Mapping[str, Maintenance] = field(default_factory=dict)

    def of(self, symbol: str) -> Maintenance:
        """Return the tiers of a symbol."""
        return self.by_symbol.get(symbol, self.usual)
