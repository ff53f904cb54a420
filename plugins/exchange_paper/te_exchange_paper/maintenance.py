"""How much margin a position has to keep, by its value. Pure.

Exchanges state it in tiers: the more a position is worth, the larger the share of what is above a tier's floor. So
that nothing jumps where a tier begins, each has an amount to take off ("maintenance amount"); it follows from the
tiers below and is computed, which is exact where an exchange rounds its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)
_ROUNDED = Decimal("1E-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """From a value of ``floor`` on, value x ``rate`` - ``deduction`` has to be kept; in settle currency."""

    floor: Decimal
    rate: Decimal
    deduction: Decimal


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The tiers of one symbol, smallest first; the first begins at 0."""

    tiers: tuple[Tier, ...]

    @classmethod
    def flat(cls, rate: Decimal) -> Maintenance:
        """Return one share for positions of any size."""
        return cls((Tier(floor=ZERO, rate=rate, deduction=ZERO),))

    @classmethod
    def tiered(cls, rows: Iterable[tuple[Decimal, Decimal]]) -> Maintenance:
        """Return the tiers that begin at those floors, with those rates.

        Below the first floor its rate holds. Raises ``ValueError`` without any, or when a rate is not within 0 … 1.
        """
        stated = dict(sorted(rows))
        if not stated or not all(0 <= rate < 1 for rate in stated.values()):
            raise ValueError(f"no tiers of maintenance margin: {stated}")
        tiers: list[Tier] = []
        for floor, rate in stated.items():
            below = tiers[-1] if tiers else None
            deduction = below.deduction + floor * (rate - below.rate) if below else ZERO
            tiers.append(Tier(floor=floor if below else ZERO, rate=rate, deduction=deduction))
        return cls(tuple(tiers))

    @property
    def is_flat(self) -> bool:
        """Whether one share holds for every size."""
        return len(self.tiers) == 1

    def margin(self, value: Decimal) -> Decimal:
        """Return what a position of that unsigned value has to keep."""
        tier = next(tier for tier in reversed(self.tiers) if value >= tier.floor)
        return value * tier.rate - tier.deduction

    def liquidation_price(self, quantity: Decimal, cost: Decimal, backing: Decimal) -> Decimal | None:
        """Return the mark at which ``backing`` plus profit no longer exceeds the margin; None where there is none.

        It solves backing + quantity x price - cost = rate x |quantity| x price - deduction, in the tier that the
        price leads to.
        """
        if not quantity:
            return None
        ceilings = [tier.floor for tier in self.tiers[1:]]
        for tier, ceiling in zip(self.tiers, [*ceilings, None], strict=True):
            price = (cost - backing - tier.deduction) / (quantity - tier.rate * abs(quantity))
            value = abs(quantity) * price
            # A hair's breadth of rounding at a border must not leave the price out of both tiers.
            reached = value >= tier.floor - _ROUNDED
            if reached and (ceiling is None or value <= ceiling + _ROUNDED):
                return price if price > 0 else None
        return None


@dataclass(frozen=True, slots=True)
class Margins:
    """The maintenance margin of every symbol: its own tiers, else those of ``usual``."""

    usual: Maintenance
    by_symbol: Mapping[str, Maintenance] = field(default_factory=dict)

    def of(self, symbol: str) -> Maintenance:
        """Return what holds for a symbol."""
        return self.by_symbol.get(symbol, self.usual)
