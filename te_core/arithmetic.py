"""The decimal context in which the engine computes, isolated from the one that a plugin may change."""

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
"""Python's initial context, unaffected by later changes to ``decimal.DefaultContext``."""


def own_arithmetic() -> AbstractContextManager[Context]:
    """Use a fresh copy of the engine's context inside the ``with`` block, and restore the current one afterwards.

    Wrap every call into a plugin, so that its changes affect only itself. Wrap what a plugin calls, so that its context
    has no effect there, nor in callbacks that are scheduled from there.
    """
    return localcontext(CORE)
