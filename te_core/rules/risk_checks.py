"""Applies the verdicts of risk checks to a position. Pure.

A verdict only holds an increase back: it never raises the wanted position, never changes its side, and never leaves
less than what is both held and wanted on the held side. So no reduction waits for a verdict, or is caused or enlarged
by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from te_core.model.instrument import Instrument
from te_core.model.review import Allowance, Verdict
from te_core.rules.limits import Held

ZERO = Decimal(0)


def combined(verdicts: Iterable[tuple[str, Verdict]]) -> Allowance | None:
    """Return what all verdicts together allow, given with the name of their check; None if none objects.

    The strictest counts, the first of equals; a verdict below zero allows nothing.
    """
    objections = [
        Allowance(largest=max(verdict.largest, ZERO), by=name, reason=verdict.reason)
        for name, verdict in verdicts
        if verdict.largest is not None
    ]
    return min(objections, key=lambda one: one.largest, default=None)


def lowered(
    allowed: Held, *, held: Decimal, allowance: Allowance | None, instrument: Instrument | None
) -> Held:
    """Return what an allowance permits of what the limits allow (signed base units), given the position ``held``.

    The result is rounded toward zero to the step, except for what is held already.
    """
    want = allowed.quantity
    if allowance is None or want == ZERO:
        return allowed
    same_side = min(abs(held), abs(want)) if held * want > 0 else ZERO
    room = allowance.largest
    if abs(want) <= max(room, same_side):
        return allowed
    if instrument is not None:
        room = instrument.round_quantity(room)
    left = max(room, same_side)
    name = f"risk check {allowance.by}"
    why = f": {allowance.reason}" if allowance.reason else ""
    cut = f"{name} leaves {left:f} of {abs(want):f}{why}"
    return replace(allowed, quantity=left.copy_sign(want) + ZERO, limit=name, cut=cut)
