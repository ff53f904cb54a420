"""Whether a signal's own price can be true."""

from __future__ import annotations

from decimal import Decimal

from te_core.errors import SignalRejected


def check_price(price: Decimal, last: Decimal, *, factor: Decimal, setting: str) -> None:
    """Raise ``SignalRejected`` for a price more than ``factor`` times above or below the last known one.

    Such a price is a slip of the sender (another symbol's, a missing digit, a placeholder's), and sizes and limits
    would follow it. ``setting``: the key of the factor, for the hint.
    """
    if last / factor <= price <= last * factor:
        return
    raise SignalRejected(
        f"{price} is not plausible: the last known price is {last}, more than {factor} times away",
        field="price",
        hint=f"if it is right, raise {setting}",
    )
