"""Checks whether a signal's own price is plausible."""

from __future__ import annotations

from decimal import Decimal


def is_plausible(price: Decimal, last: Decimal, factor: Decimal) -> bool:
    """Return whether a price is at most ``factor`` times above or below the last known one.

    Otherwise it is a mistake of the sender (another symbol's price, a missing digit) that would distort sizes and
    limits.
    """
    return last <= price * factor and price <= last * factor
