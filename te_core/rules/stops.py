"""Determines the stops of a position, which of them rest at the exchange, and which of them a price has passed.

Prices are in quote currency, quantities in base units. ``best`` is the best price for the position since it was opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from te_core.model.exits import Exit, Exits, ExitUnit
from te_core.model.instrument import Instrument
from te_core.model.order import Intent, Side, StopKind
from te_core.model.target import Target

ZERO = Decimal(0)
TRAIL_STEP = Decimal("0.05")
"""Fraction of a distance by which the best price must move before a stop follows it: every move is two requests."""
SAME_TRIGGER = Decimal("0.0002")
"""Fraction by which two triggers may differ and count as equal: reads and pushes report entries differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The prices at which to exit a position; None: no exit of that kind."""

    loss: Decimal | None = None
    profit: Decimal | None = None
    notes: tuple[str, ...] = ()
    """Stated exits that are ignored, and why."""

    def of(self, kind: StopKind) -> Decimal | None:
        """Return the level of a kind."""
        return self.loss if kind is StopKind.LOSS else self.profit


NO_LEVELS = Levels()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOrder:
    """A stop order that should rest. ``quantity`` is unsigned."""

    kind: StopKind
    side: Side
    quantity: Decimal
    trigger: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What to do about the stops of a symbol. New ones are placed before old ones are cancelled."""

    place: tuple[StopOrder, ...] = ()
    cancel: tuple[Intent, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.place or self.cancel)


def _away(level: Exit, reference: Decimal) -> Decimal:
    """Return the distance of a level from a reference price, > 0."""
    return reference * level.value / 100 if level.unit is ExitUnit.PERCENT else level.value


def _gained(level: Exit, entry: Decimal, best: Decimal, sign: int) -> bool:
    """Return whether the best price has moved far enough in the position's favour to reach an activation level."""
    if level.unit is ExitUnit.PRICE:
        return (best - level.value) * sign >= 0
    return (best - entry) * sign >= _away(level, entry)


def levels(exits: Exits, *, quantity: Decimal, entry: Decimal, best: Decimal, tick: Decimal) -> Levels:
    """Return the exit prices of a position of that signed quantity."""
    sign, notes = (1 if quantity > 0 else -1), []
    losses: list[Decimal] = []
    if (stop := exits.stop_loss) is not None:
        at = stop.value if stop.unit is ExitUnit.PRICE else entry - sign * _away(stop, entry)
        if (best - at) * sign > 0:
            losses.append(at)
        else:
            notes.append(f"stop loss at {at:f} is on the wrong side of the price; ignored")
    if (trail := exits.trailing_stop) is not None and (
        exits.activation is None or _gained(exits.activation, entry, best, sign)
    ):
        losses.append(best - sign * _away(trail, best))
    if exits.break_even is not None and _gained(exits.break_even, entry, best, sign):
        losses.append(entry)
    tightest = max(losses, key=lambda at: at * sign, default=None)
    profit = None
    if (whole := exits.target) is not None:
        profit = whole.value if whole.unit is ExitUnit.PRICE else entry + sign * _away(whole, entry)
        if (profit - entry) * sign <= 0:
            notes.append(f"take profit at {profit:f} is on the wrong side of the entry; ignored")
            profit = None
    notes += exits.deviations
    return Levels(loss=_price(tightest, tick), profit=_price(profit, tick), notes=tuple(notes))


def _price(at: Decimal | None, tick: Decimal) -> Decimal | None:
    """Return a level rounded to the price tick; None if no price can reach it."""
    if at is None:
        return None
    ticks = (at / tick).to_integral_value(rounding=ROUND_HALF_EVEN) if tick else None
    rounded = at if ticks is None else ticks * tick
    return rounded.normalize() + 0 if rounded > 0 else None


def follows(exits: Exits, *, sign: int, entry: Decimal, best: Decimal, price: Decimal) -> bool:
    """Return whether a price is enough better than the best one that stops should follow it."""
    if not exits.follows_price or (price - best) * sign <= 0:
        return False
    distances = [
        _away(level, entry)
        for level in (exits.trailing_stop, exits.activation, exits.break_even)
        if level is not None and level.unit is not ExitUnit.PRICE
    ]
    return (price - best) * sign >= TRAIL_STEP * min(distances, default=ZERO)


def wanted_orders(at: Levels, quantity: Decimal, instrument: Instrument) -> tuple[StopOrder, ...]:
    """Return the orders that close a position at its levels, in pieces that the exchange accepts."""
    side = Side.SELL if quantity > 0 else Side.BUY
    largest = instrument.largest_market_quantity
    pieces, left = [], abs(quantity)
    while largest and left > largest:
        pieces.append(largest)
        left -= largest
    pieces.append(left)
    return tuple(
        StopOrder(kind=kind, side=side, quantity=piece, trigger=trigger)
        for kind in StopKind
        if (trigger := at.of(kind)) is not None
        for piece in pieces
    )


def changes(wanted: Iterable[StopOrder], resting: Sequence[Intent]) -> Changes:
    """Return the changes that turn the resting stops into the wanted ones."""
    left, place = list(resting), []
    for order in wanted:
        same = next((intent for intent in left if _serves(intent, order)), None)
        if same is None:
            place.append(order)
        else:
            left.remove(same)
    return Changes(place=tuple(place), cancel=tuple(left))


def _serves(intent: Intent, order: StopOrder) -> bool:
    same = (intent.stop, intent.side, intent.quantity) == (order.kind, order.side, order.quantity)
    return same and abs(intent.reference_price - order.trigger) <= SAME_TRIGGER * order.trigger


def crossed(at: Levels, quantity: Decimal, price: Decimal) -> StopKind | None:
    """Return which level of a position a price has passed; a stop loss takes precedence over a take profit."""
    sign = 1 if quantity > 0 else -1
    if at.loss is not None and (price - at.loss) * sign <= 0:
        return StopKind.LOSS
    if at.profit is not None and (price - at.profit) * sign >= 0:
        return StopKind.PROFIT
    return None


def holds_back(stop: Intent, target: Target | None, *, confirmed: bool) -> bool:
    """Return whether a filled stop holds its symbol flat until the next signal.

    It does not if a signal has arrived since the stop was placed and its target is not confirmed yet.
    """
    if target is None or confirmed:
        return True
    spoken = (part.heard_at for part in target.terms if part.heard_at is not None)
    return not any(at > stop.created_at for at in spoken)
