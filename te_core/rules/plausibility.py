"""Whether a signal's own price can be true."""

from __future__ import annotations

from decimal import Decimal


def is_plausible(price: Decimal, last: Decimal, factor: Decimal) -> bool:
    """Return whether a price is at most ``factor`` times above or below the last known one.

    One that is not is a slip of the sender (another symbol's, a missing digit), and sizes and limits would follow it.
    """
    return last <= price * factor and price <= last * factor
