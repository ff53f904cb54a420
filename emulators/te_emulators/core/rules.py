"""How one exchange's rules differ from another's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from te_emulators.core.modes import MarginMode


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """Set by the wire layer."""

    unique_client_ids: bool = True
    """A used client order id is refused; otherwise the order is executed again."""
    splits_reducing: bool = False
    """A reduce-only market order above the maximum is split by the exchange; otherwise it is refused."""
    new_order_id: Callable[[int], str] = str
    """Returns an order id for a running number."""
    last_triggers: bool = False
    """Stop orders wait for the last price; otherwise for the mark price."""
    default_leverage: Decimal = Decimal(10)
    default_margin_mode: MarginMode = MarginMode.CROSS
