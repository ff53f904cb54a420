"""How far from the present price a position would be liquidated, as far as that can be told beforehand.

An estimate: exchanges add fees, tiers of maintenance margin and what other positions lose meanwhile. With a position's
own margin (isolated) a long one is liquidated at ``entry x (1 - 1 / leverage) / (1 - maintenance)``; with the account's
(cross) at the price at which equity, less the loss, is the maintenance margin. Short ones likewise, the other way.
"""

from __future__ import annotations

from decimal import Decimal

from te_core.model.instrument import Instrument
from te_core.model.position import MarginMode, Position
from te_core.rules.limits import Ceiling

ZERO, ONE = Decimal(0), Decimal(1)
MAINTENANCE = Decimal("0.01")
"""Share of the notional that has to remain as margin, where an exchange does not state a largest leverage."""
LEAST_MAINTENANCE = Decimal("0.004")
LIMIT = "liquidation_distance"


def maintenance_rate(instrument: Instrument | None) -> Decimal:
    """Return the maintenance margin as a share of the notional.

    Exchanges set it to half the initial margin at the largest leverage: 0.5 % where 100 is allowed.
    """
    largest = instrument.largest_leverage if instrument is not None else None
    return MAINTENANCE if not largest else max(ONE / (2 * largest), LEAST_MAINTENANCE)


def liquidation_ceiling(
    distance: Decimal | None,
    *,
    side: int,
    held: Position,
    price: Decimal | None,
    leverage: int,
    margin_mode: MarginMode,
    equity: Decimal | None,
    others: Decimal,
    instrument: Instrument | None,
) -> Ceiling | None:
    """Return the largest notional whose liquidation is at least ``distance`` (share of the price) away.

    ``side``: 1 for a long, -1 for a short position that is wanted; ``held``: what there is now. ``equity``: with
    unrealised profit, None if not known. ``others``: notional of the account's other positions. None: nothing limits.
    """
    if distance is None or side == 0:
        return None
    if price is None or price <= 0:
        return Ceiling(
            notional=ZERO, limit=LIMIT
        )  # without a price nothing is held to a limit: hold_back says so
    kept = maintenance_rate(instrument)
    if margin_mode is MarginMode.ISOLATED:
        quantity = _isolated(distance, side, held, price, leverage, kept)
        if quantity is None:
            return None
        why = (
            ""
            if quantity
            else f"leverage {leverage} brings the liquidation nearer than {LIMIT} = {distance:f}"
        )
        return Ceiling(notional=quantity * price, limit=LIMIT, why=why)
    if equity is None:
        return Ceiling(notional=ZERO, limit=LIMIT, why=f"no recent equity is known to apply limit {LIMIT}")
    # What is lost until the price is there, and what has to remain, in shares of the present notional.
    remains = (ONE - side * distance) * kept
    return Ceiling(notional=max(equity - kept * others, ZERO) / (distance + remains), limit=LIMIT)


def _isolated(
    distance: Decimal, side: int, held: Position, price: Decimal, leverage: int, kept: Decimal
) -> Decimal | None:
    """Return the largest quantity on a side; None where any may be held, 0 where none may be added."""
    own = ONE - Decimal(side) / leverage
    if own <= 0:
        return None  # a long position without leverage is never liquidated
    # The worst average entry that is far enough: the highest of a long position, the lowest of a short one.
    furthest = price * (ONE - side * distance) * (ONE - side * kept) / own
    fresh_fits = side * (furthest - price) >= 0
    if held.quantity * side <= 0 or held.entry_price is None:
        return None if fresh_fits else ZERO
    held_fits = side * (furthest - held.entry_price) >= 0
    if fresh_fits and held_fits:
        return None
    if not held_fits or price == furthest:
        return ZERO
    # Entered at a better price: some more may be added until the average entry is at the furthest.
    return abs(held.quantity) * (price - held.entry_price) / (price - furthest)
