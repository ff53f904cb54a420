"""Estimates how far from the current price a position would be liquidated.

Only an estimate: exchanges add fees, maintenance margin tiers and the losses of other positions meanwhile. With
isolated margin, a long position is liquidated at ``entry x (1 - 1 / leverage) / (1 - maintenance)``; with cross margin,
at the price at which equity less the loss equals the maintenance margin. Short positions are mirrored.
"""

from __future__ import annotations

from decimal import Decimal

from te_core.model.instrument import Instrument
from te_core.model.position import MarginMode, Position
from te_core.rules.limits import Ceiling

ZERO, ONE = Decimal(0), Decimal(1)
MAINTENANCE = Decimal("0.01")
"""Share of the notional that must remain as margin if an exchange does not state a largest leverage."""
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
    """Return the largest notional whose liquidation is at least ``distance`` (fraction of the price) away.

    ``side``: the wanted side, 1 for long, -1 for short; ``held``: the current position. ``equity``: with
    unrealised profit, None if unknown. ``others``: notional of the account's other positions. None: nothing limits.
    """
    if distance is None or side == 0:
        return None
    if price is None or price <= 0:
        return Ceiling(
            notional=ZERO, limit=LIMIT
        )  # without a price no limit can be applied; hold_back reports that
    kept = maintenance_rate(instrument)
    if margin_mode is MarginMode.ISOLATED:
        quantity = _isolated(distance, side, held, price, leverage, kept)
        if quantity is None:
            return None
        why = (
            ""
            if quantity
            else f"leverage {leverage} puts the liquidation price closer than {LIMIT} = {distance:f}"
        )
        return Ceiling(notional=quantity * price, limit=LIMIT, why=why)
    if equity is None:
        return Ceiling(notional=ZERO, limit=LIMIT, why=f"no recent equity to apply limit {LIMIT}")
    # The loss until the price gets there, and the margin that must remain, as shares of the current notional.
    remains = (ONE - side * distance) * kept
    return Ceiling(notional=max(equity - kept * others, ZERO) / (distance + remains), limit=LIMIT)


def _isolated(
    distance: Decimal, side: int, held: Position, price: Decimal, leverage: int, kept: Decimal
) -> Decimal | None:
    """Return the largest quantity on a side; None if any may be held, 0 if none may be added."""
    own = ONE - Decimal(side) / leverage
    if own <= 0:
        return None  # a long position without leverage is never liquidated
    # The worst average entry that is far enough: the highest for a long position, the lowest for a short one.
    furthest = price * (ONE - side * distance) * (ONE - side * kept) / own
    fresh_fits = side * (furthest - price) >= 0
    if held.quantity * side <= 0 or held.entry_price is None:
        return None if fresh_fits else ZERO
    held_fits = side * (furthest - held.entry_price) >= 0
    if fresh_fits and held_fits:
        return None
    if not held_fits or price == furthest:
        return ZERO
    # Entered at a better price: more may be added until the average entry reaches ``furthest``.
    return abs(held.quantity) * (price - held.entry_price) / (price - furthest)
