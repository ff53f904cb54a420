"""Selects which symbols with a plan may start, when free margin is short."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from te_core.model.position import Equity
from te_core.model.reading import Unknown
from te_core.rules.decision import Decision
from te_core.rules.plan import OrderStep

ZERO = Decimal(0)


def margin_needed(decision: Decision) -> Decimal:
    """Return the initial margin (quote currency) that a decision's increases need at the current price."""
    if decision.goal is None:
        return ZERO
    increases = (s.quantity for s in decision.plan.steps if isinstance(s, OrderStep) and not s.reduce_only)
    return sum(increases, ZERO) * (decision.price or decision.goal.price) / decision.goal.leverage


def runnable(decisions: Sequence[Decision], equity: Equity | Unknown) -> list[int]:
    """Return the indices of the decisions to start now: all, or only the reductions while free margin is short."""
    everything = list(range(len(decisions)))
    reducing = [index for index in everything if decisions[index].plan.reduces]
    if not reducing or len(reducing) == len(decisions) or isinstance(equity, Unknown):
        return everything
    free = equity.free
    short = free is not None and sum(map(margin_needed, decisions), ZERO) > free
    return reducing if short else everything
