"""Proposals that risk checks review before any increase, and their verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from te_core.model.position import MarginMode
from te_core.model.target import Term

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A position that the engine is about to increase on one symbol of one account.

    Quantities are signed and in base units; money is in the account's quote currency.
    """

    account: str
    symbol: str
    held: Decimal
    """The current position; on the other side of ``quantity`` if the position would be flipped."""
    quantity: Decimal
    """The position afterwards, limits applied; never zero."""
    price: Decimal | None
    """The recent price; None if unknown."""
    equity: Decimal | None
    """The value that depths are fractions of; None if unknown."""
    leverage: int
    margin_mode: MarginMode
    depth: Decimal
    """The target's: target exposure in -1 … 1."""
    revision: int
    """The target's."""
    reason: str
    """What changed the target last."""
    at: datetime
    terms: tuple[Term, ...] = ()
    """Each source's part in the target."""

    @property
    def notional(self) -> Decimal | None:
        """The absolute notional of the position afterwards; None without a price."""
        return None if self.price is None else abs(self.quantity) * self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A risk check's verdict on a proposal."""

    largest: Decimal | None = None
    """The largest absolute quantity that the position may have, in base units; None: no objection.

    A value below the current position leaves it as it is: a verdict never causes a reduction.
    """
    reason: str = ""
    """Shown to the operator."""

    @classmethod
    def approve(cls) -> Verdict:
        """Return a verdict without objection."""
        return cls()

    @classmethod
    def lower(cls, largest: Decimal, reason: str) -> Verdict:
        """Return a verdict that allows a position of at most that absolute quantity, in base units."""
        return cls(largest=largest, reason=reason)

    @classmethod
    def veto(cls, reason: str) -> Verdict:
        """Return a verdict that allows no increase."""
        return cls(largest=ZERO, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What risk checks allow of a position."""

    largest: Decimal
    """Absolute, in base units."""
    by: str
    """The strictest check."""
    reason: str = ""
