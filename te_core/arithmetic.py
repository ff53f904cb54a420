"""The decimal context in which the engine computes, kept apart from the one that a plugin may change."""

from __future__ import annotations

from contextlib import AbstractContextManager
from decimal import ROUND_HALF_EVEN, Context, DivisionByZero, InvalidOperation, Overflow, localcontext

CORE = Context(
    prec=28,
    rounding=ROUND_HALF_EVEN,
    Emin=-999_999,
    Emax=999_999,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
"""What Python starts with, whatever somebody makes of ``decimal.DefaultContext`` later."""


def own_arithmetic() -> AbstractContextManager[Context]:
    """Compute with a fresh copy of the engine's context inside, and go on with the present one afterwards.

    Around every call into a plugin: what it changes, it changes for itself. Around what a plugin calls: its own
    context changes nothing there, nor in the callbacks that are scheduled from there.
    """
    return localcontext(CORE)
