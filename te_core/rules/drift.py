"""What to do about a position that differs from the confirmed one although none of our orders changed it.

On its own the engine only reduces risk (I18): an excess is closed, a missing part is not restored unless the operator
chose ``heal``, and even then to no more than a new sizing would yield.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

ZERO = Decimal(0)

MOST_CORRECTIONS = 3
"""Maximum corrections of a symbol within ``CORRECTION_SPAN``; beyond it, someone else must be trading there."""
CORRECTION_SPAN = 600.0
"""Seconds."""

Policy = Literal["reduce", "heal", "alert"]


def without_excess(held: Decimal, confirmed: Decimal) -> Decimal:
    """Return the position that remains once everything beyond the confirmed one is closed. Signed base units."""
    if held * confirmed <= 0:
        return ZERO
    return min(abs(held), abs(confirmed)).copy_sign(held)


def corrected(
    held: Decimal, confirmed: Decimal, *, policy: Policy, fresh: Decimal | None, liquidated: bool
) -> Decimal:
    """Return the position that a drift policy leads to; ``held`` itself means: leave it.

    ``fresh``: the result of sizing with current equity and price, None if that is impossible. ``liquidated``: the
    exchange closed the position because its margin was used up; that is never healed.
    """
    if policy == "alert":
        return held
    kept = without_excess(held, confirmed)
    if policy == "reduce" or liquidated or fresh is None or fresh * confirmed <= 0:
        return kept
    most = min(abs(confirmed), abs(fresh))
    return max(abs(kept), most).copy_sign(confirmed)


def looks_liquidated(
    *, vanished: Decimal, price: Decimal, leverage: int, equity_before: Decimal, equity_now: Decimal
) -> bool:
    """Return whether a position shrank at the cost of its margin, as in a liquidation or auto-deleveraging at a loss.

    ``vanished``: base units; ``price`` and equities (wallets) in quote currency. A position closed by hand realises its
    profit or loss, too, so only the loss of most of the margin counts.
    """
    margin = abs(vanished) * price / max(leverage, 1)
    return margin > 0 and equity_before - equity_now >= margin * Decimal("0.6")


def may_correct(corrections: Sequence[float], now: float) -> bool:
    """Return whether one more correction is allowed; ``corrections``: times of the earlier ones, monotonic."""
    return sum(1 for at in corrections if at > now - CORRECTION_SPAN) < MOST_CORRECTIONS
