"""What a risk check is asked before anything is increased, and what it may answer."""

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

    Quantities are signed and in base units, money is in the account's quote currency. ``revision`` and ``depth``
    (target exposure in -1…1) are the target's, ``terms`` what each source has to do with it.
    """

    account: str
    symbol: str
    held: Decimal
    """What is held now; on the other side of ``quantity`` where the position is to be flipped."""
    quantity: Decimal
    """What would be held afterwards, limits applied; never zero."""
    price: Decimal | None
    """The recent price; None where none is known."""
    equity: Decimal | None
    """What depths are fractions of; None where it is not known."""
    leverage: int
    margin_mode: MarginMode
    depth: Decimal
    revision: int
    reason: str
    """What changed the target last."""
    at: datetime
    terms: tuple[Term, ...] = ()

    @property
    def notional(self) -> Decimal | None:
        """Absolute value of what would be held afterwards; None without a price."""
        return None if self.price is None else abs(self.quantity) * self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a risk check says of a proposal.

    ``largest``: the largest absolute quantity that the position may have, in base units; None objects to nothing. One
    that is below what is held leaves what is held: a verdict makes no reduction. ``reason`` is shown to the operator.
    """

    largest: Decimal | None = None
    reason: str = ""

    @classmethod
    def approve(cls) -> Verdict:
        """Object to nothing."""
        return cls()

    @classmethod
    def lower(cls, largest: Decimal, reason: str) -> Verdict:
        """Allow a position of that absolute quantity at most, in base units."""
        return cls(largest=largest, reason=reason)

    @classmethod
    def veto(cls, reason: str) -> Verdict:
        """Allow no increase."""
        return cls(largest=ZERO, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What risk checks leave of a position. ``largest``: absolute, in base units. ``by``: the strictest of them."""

    largest: Decimal
    by: str
    reason: str = ""
