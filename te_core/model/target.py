"""From weighted signals to the position that one account should hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from te_core.model.cause import Cause
from te_core.model.exits import Exits
from te_core.model.position import MarginMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One source's part in a blend: ``weight`` x ``depth``."""

    source: str
    weight: Decimal
    depth: Decimal
    """Target exposure in -1 … 1."""
    leverage: Decimal | None = None
    price: Decimal | None = None
    time: datetime | None = None
    """When the source sent the signal."""
    note: str = ""
    """Why the depth differs from the signal's, or why there is none."""
    heard_at: datetime | None = None
    """When the engine received the signal; None if the source is paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """The weighted opinion of all sources on a symbol."""

    symbol: str
    depth: Decimal
    """Target exposure in -1 … 1."""
    leverage: int
    """>= 1."""
    terms: tuple[Term, ...]
    price: Decimal | None = None
    exits: Exits | None = None
    """Those of the newest signal in the blend's direction that states any."""


TAKEN_TO_CLOSE = "not opened by the engine; taken over to close it"
"""The reason of a target that closes a position of others: it does not make later positions the engine's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an account should hold on a symbol."""

    account: str
    symbol: str
    revision: int
    """Starts at 1 and grows by one with every change."""
    depth: Decimal
    """Target exposure in -1 … 1."""
    leverage: int
    margin_mode: MarginMode
    reason: str
    """What changed it, for people."""
    created_at: datetime
    price: Decimal | None = None
    terms: tuple[Term, ...] = ()
    """The blend's, to explain the target (I11)."""
    cause: Cause | None = None
    """What changed it, for statistics; None if an earlier version recorded it."""
    caused_at: datetime | None = None
    """When the cause occurred; None if an earlier version recorded it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A target converted to a quantity, with one snapshot's equity and one price. It stays until the target changes."""

    account: str
    symbol: str
    revision: int
    quantity: Decimal
    """Signed, in base units."""
    leverage: int
    margin_mode: MarginMode
    depth: Decimal
    equity: Decimal
    price: Decimal
    unrounded: Decimal
    """equity x depth x leverage / price."""
    contract_size: Decimal
    quantity_step: Decimal
    sized_at: datetime
    notes: tuple[str, ...] = ()
    """Why ``quantity`` differs from ``unrounded`` beyond rounding (minimum, leverage)."""

    @property
    def foreign(self) -> bool:
        """Whether it closes a position that the engine never opened; later positions there are foreign, too."""
        return TAKEN_TO_CLOSE in self.notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """An observation showed the account at its goal: drift is measured against this quantity."""

    account: str
    symbol: str
    revision: int
    quantity: Decimal
    at: datetime
    step: int | None = None
    """The last step of the revision until then; None if an earlier version recorded it."""
