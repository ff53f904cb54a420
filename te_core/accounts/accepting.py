"""Positions that the operator accepts as they are, although the target differs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from te_core.accounts.beliefs import Beliefs
from te_core.accounts.keeper import Keeper
from te_core.accounts.targets import WorkerSettings
from te_core.rules.controls import implied_depth


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptable:
    """A position that may be accepted."""

    quantity: Decimal
    """In signed base units."""
    depth: Decimal
    """The target exposure that it implies."""


def changed_by_others(keeper: Keeper) -> bool:
    """Return whether others changed the size of a position and the engine left it so."""
    position, shown = keeper.position, keeper.confirmation
    return (
        keeper.drifted and position is not None and shown is not None and position.quantity != shown.quantity
    )


def acceptable(keeper: Keeper, *, beliefs: Beliefs, settings: WorkerSettings) -> Acceptable | str:
    """Return the position that would be accepted on a symbol, or why none can be."""
    evidence, target = beliefs.evidence(keeper.symbol), keeper.target
    if target is None:
        return "it has no target"
    if keeper.task is not None or keeper.orders.open:
        return "its orders are under way; try again when they have finished"
    position = evidence.position
    if position is None or not evidence.seen or evidence.doubt:
        return f"its position is unknown now ({evidence.doubt or 'not read since the last order'})"
    if position.quantity == 0:
        return Acceptable(quantity=position.quantity, depth=Decimal(0))
    if not keeper.ours:
        return "the engine never opened it; close it, or set adopt = true for the account"
    price, equity = beliefs.last_price(keeper.symbol), beliefs.equity_seen
    worth = settings.policy.value_of(equity.value) if equity is not None else Decimal(0)
    if not price or worth <= 0:
        return "its price or the account's equity is still unknown"
    depth = implied_depth(position.quantity, price=price, equity=worth, leverage=target.leverage)
    return Acceptable(quantity=position.quantity, depth=depth)
