"""From weighted signals to what one account shall hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from te_core.model.cause import Cause
from te_core.model.exits import Exits
from te_core.model.position import MarginMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One source's part in a blend: ``weight`` x ``depth``. ``note``: why the depth was replaced.

    ``time``: when the source said it; ``heard_at``: when the engine received it, None where the source is paused.
    """

    source: str
    weight: Decimal
    depth: Decimal
    leverage: Decimal | None = None
    price: Decimal | None = None
    time: datetime | None = None
    note: str = ""
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """The weighted opinion of all sources on a symbol: depth -1 … 1, leverage a whole number >= 1.

    ``exits``: those of the newest signal in its direction that states any.
    """

    symbol: str
    depth: Decimal
    leverage: int
    terms: tuple[Term, ...]
    price: Decimal | None = None
    exits: Exits | None = None


TAKEN_TO_CLOSE = "not opened by the engine; taken over to close it"
"""The reason of a target by which a position of others is closed: it makes no later one the engine's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an account should hold on a symbol. ``revision`` grows by one with every change, from 1.

    ``reason`` says what changed it; ``terms`` are the blend's, for the explanation (I11). ``cause``, ``caused_at``: the
    same for counting, and when that came; None where an earlier version recorded it.
    """

    account: str
    symbol: str
    revision: int
    depth: Decimal
    leverage: int
    margin_mode: MarginMode
    reason: str
    created_at: datetime
    price: Decimal | None = None
    terms: tuple[Term, ...] = ()
    cause: Cause | None = None
    caused_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A target turned into a signed base quantity with one snapshot's equity and one price.

    It is kept until the target changes. ``unrounded`` is equity x depth x leverage / price; ``notes`` say
    what then changed it (rounding, minimum, limits).
    """

    account: str
    symbol: str
    revision: int
    quantity: Decimal
    leverage: int
    margin_mode: MarginMode
    depth: Decimal
    equity: Decimal
    price: Decimal
    unrounded: Decimal
    contract_size: Decimal
    quantity_step: Decimal
    sized_at: datetime
    notes: tuple[str, ...] = ()

    @property
    def foreign(self) -> bool:
        """Whether it closes what the engine never opened: what is held there later is not the engine's either."""
        return TAKEN_TO_CLOSE in self.notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A read showed the account at its goal: drift is measured against this quantity."""

    account: str
    symbol: str
    revision: int
    quantity: Decimal
    at: datetime
    step: int | None = None
    """Last step of the revision until then; None where an earlier version of the program confirmed it."""
