"""What a decision about one symbol is based on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from te_core.model.instrument import Instrument
from te_core.model.policy import AccountPolicy, Limits
from te_core.model.position import Equity, Position
from te_core.model.reading import Unknown
from te_core.model.review import Allowance
from te_core.model.target import Confirmation, Goal, Target
from te_core.rules.limits import Ceiling

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that a decision is based on."""

    target: Target
    goal: Goal | None
    """The latest of any revision; None if the engine never acted here."""
    confirmation: Confirmation | None
    position: Position | Unknown
    equity: Equity | Unknown
    price: Decimal | None
    """In quote currency; None if none is recent enough."""
    instrument: Instrument | None
    policy: AccountPolicy
    limits: Limits
    leverage_in_order: bool
    ceiling: Ceiling | None
    """What limits allow for the symbol now; None if nothing limits it."""
    now: datetime
    others: Decimal = ZERO
    """Notional of the account's other positions, in quote currency."""
    leverage_tries: int = 0
    """How often ``leverage_tried`` has been set since a read last showed the goal's leverage."""
    leverage_tried: int | None = None
    """The leverage that was set last; None if none was."""
    disturbed: bool = False
    """Others have changed the position since the goal was sized."""
    liquidated: bool = False
    """Since the goal was confirmed, the exchange has closed the position because its margin was used up."""
    goal_expired: bool = False
    """The goal was sized by a decision that became too old before any of its orders was sent."""
    may_correct: bool = True
    """False after too many corrections of drift: someone else trades here."""
    halt: str = ""
    """Why only reductions are allowed now; empty if increases are allowed, too."""
    foreign: bool = False
    """Positions that the engine never opened must be closed, too."""
    accepted: Decimal | None = None
    """The position that the operator accepted as it is, in signed base units; None if none was."""
    allowance: Allowance | None = None
    """What risk checks allow of the position; None while none objects."""
