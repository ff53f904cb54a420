"""Plans the ordered steps from the current position to the goal.

Reductions come first, then margin mode (only while flat), then leverage, then increases. A flip closes with a
reduce-only order before it opens, so that a close which arrives twice does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

from te_core.model.instrument import Instrument
from te_core.model.order import Side
from te_core.model.position import MarginMode, Position
from te_core.model.target import Goal
from te_core.rules.sizing import smallest_quantity, whose_minimum

ZERO = Decimal(0)
TOLERANCE = Decimal("0.001")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStep:
    """A market order of ``quantity`` base units, in chunks that the exchange accepts. Increases are not reduce-only."""

    side: Side
    quantity: Decimal
    reduce_only: bool
    chunks: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverageStep:
    """Set the symbol's leverage."""

    leverage: int
    margin_mode: MarginMode


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginModeStep:
    """Set the symbol's margin mode; only while flat."""

    margin_mode: MarginMode


Step = OrderStep | LeverageStep | MarginModeStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps to the goal, in order."""

    steps: tuple[Step, ...] = ()
    """Empty if the account is at its goal."""
    notes: tuple[str, ...] = ()
    """What was left out, and why."""
    blocked: str = ""
    """Why no part of an increase can be ordered although the exchange would accept it; else empty."""

    @property
    def reduces(self) -> bool:
        """Whether the first order lowers risk."""
        first = next((step for step in self.steps if isinstance(step, OrderStep)), None)
        return first is not None and first.reduce_only

    @property
    def increases(self) -> bool:
        """Whether any order raises risk."""
        return any(isinstance(step, OrderStep) and not step.reduce_only for step in self.steps)


def in_words(plan: Plan, symbol: str) -> str:
    """Return what a plan would do as text: ``set leverage 3, buy 0.069 BTCUSDT``."""
    return ", ".join(_in_words(step, symbol) for step in plan.steps)


def _in_words(step: Step, symbol: str) -> str:
    match step:
        case OrderStep():
            orders = f" in {len(step.chunks)} orders" if len(step.chunks) > 1 else ""
            only = " reduce-only" if step.reduce_only else ""
            return f"{step.side} {step.quantity.normalize():f} {symbol}{only}{orders}"
        case LeverageStep():
            return f"set leverage {step.leverage}"
        case MarginModeStep():
            return f"set margin mode {step.margin_mode}"


def at_target(held: Decimal, want: Decimal, step: Decimal) -> bool:
    """Return whether a position counts as at its goal: equal, or on the same side and closer than max(step, 0.1 %)."""
    if held == want:
        return True
    if held == 0 or want == 0 or held * want < 0:
        return False
    return abs(held - want) < max(step, TOLERANCE * min(abs(held), abs(want)))


def chunks(
    quantity: Decimal, largest: Decimal | None, step: Decimal, smallest: Decimal = ZERO
) -> tuple[Decimal, ...]:
    """Split a quantity into nearly equal multiples of the step, none above ``largest`` and none below ``smallest``.

    They add up to the quantity, or to less if parts within both bounds cannot; empty if none fits.
    """
    if largest is None or quantity <= largest:
        return (quantity,)
    step = step if step > 0 else quantity
    largest = largest // step * step
    if largest <= 0 or largest < smallest:
        return ()
    count = int((quantity / largest).to_integral_value(rounding=ROUND_UP))
    if smallest > 0 and quantity / count // step * step < smallest:
        return (largest,) * (count - 1)
    steps, crumb = divmod(quantity, step)
    base, extra = divmod(int(steps), count)
    parts = [(base + (index < extra)) * step for index in range(count)]
    parts[-1] += crumb
    return tuple(part for part in parts if part > 0)


def plan(
    position: Position,
    goal: Goal,
    instrument: Instrument | None,
    *,
    price: Decimal,
    largest_order: Decimal | None = None,
    leverage_in_order: bool = False,
) -> Plan:
    """Plan the way from ``position`` to ``goal``.

    ``position.leverage`` and ``position.margin_mode`` are the current settings (None: unknown, so they will be set).
    ``instrument`` may be missing if everything must be closed. ``price``: the current price, used to compute
    the smallest order. ``largest_order`` (base units): our own limit for one order, which never
    prevents a reduction. Changing the margin mode of a position only closes it: the mode can change only while flat,
    and an acknowledged close is not yet filled. All orders of a plan have the same side, so none overshoots the goal.
    """
    held, want = position.quantity, goal.quantity
    planner = _Planner(position, goal, instrument, price, largest_order, leverage_in_order)
    if want == 0 or (held != 0 and position.margin_mode not in (None, goal.margin_mode)):
        orders = list(planner.close(held))
        return Plan(steps=tuple(orders), notes=tuple(planner.notes))
    if held * want < 0:
        steps = (*planner.close(held), *planner.settings(flat=True), *planner.increase(want))
        return Plan(steps=steps, notes=tuple(planner.notes))
    step = instrument.quantity_step if instrument else ZERO
    if at_target(held, want, step):
        return Plan(steps=tuple(planner.settings(flat=False)))
    if abs(want) < abs(held):
        orders = list(planner.reduce(held - want))
        return Plan(steps=(*orders, *planner.settings(flat=False)), notes=tuple(planner.notes))
    orders = list(planner.increase(want - held))
    settings = planner.settings(flat=held == 0) if orders or held else ()
    return Plan(steps=(*settings, *orders), notes=tuple(planner.notes), blocked=planner.blocked)


class _Planner:
    def __init__(
        self,
        position: Position,
        goal: Goal,
        instrument: Instrument | None,
        price: Decimal,
        largest: Decimal | None,
        leverage_in_order: bool,
    ) -> None:
        self._position = position
        self._goal = goal
        self._instrument = instrument
        self._price = price
        self._largest = largest
        self._leverage_in_order = leverage_in_order
        self.notes: list[str] = []
        self.blocked = ""

    def _order(self, change: Decimal, *, reduce_only: bool, smallest: Decimal = ZERO) -> Iterator[OrderStep]:
        instrument = self._instrument
        step = instrument.quantity_step if instrument else ZERO
        theirs = instrument.largest_market_quantity if instrument else None
        largest = min((bound for bound in (theirs, self._largest) if bound is not None), default=None)
        ours = largest is not None and largest != theirs
        parts = chunks(abs(change), largest, step, smallest if ours else ZERO)
        if reduce_only and sum(parts, ZERO) != abs(change):
            # Our own limit never prevents a reduction: parts below the exchange's minimum would be refused.
            parts = chunks(abs(change), theirs, step)
        left = abs(change) - sum(parts, ZERO)
        if left:
            self.notes.append(
                f"{left:f} does not fit between the smallest order ({smallest:f}) and the largest ({largest:f})"
            )
            if not parts and not reduce_only:
                self.blocked = f"limit order_notional is below {self._whose()} smallest order ({smallest:f})"
        if parts:
            yield OrderStep(
                side=Side.of(change), quantity=abs(change) - left, reduce_only=reduce_only, chunks=parts
            )

    def _whose(self) -> str:
        return whose_minimum(self._instrument, self._price) if self._instrument else "the exchange's"

    def close(self, held: Decimal) -> Iterator[OrderStep]:
        """Yield orders that close everything but a remainder below the step, which no order can close."""
        part = held if self._instrument is None else self._instrument.round_quantity(held)
        if part != held:
            self.notes.append(f"{held - part:f} is below the exchange's step, so no order can close it")
        if part != 0:
            smallest = smallest_quantity(self._instrument, self._price) if self._instrument else ZERO
            yield from self._order(-part, reduce_only=True, smallest=min(smallest, abs(part)))

    def reduce(self, excess: Decimal) -> Iterator[OrderStep]:
        yield from self._partial(-excess, reduce_only=True)

    def increase(self, missing: Decimal) -> Iterator[OrderStep]:
        yield from self._partial(missing, reduce_only=False)

    def _partial(self, change: Decimal, *, reduce_only: bool) -> Iterator[OrderStep]:
        if self._instrument is None:
            return
        quantity = self._instrument.round_quantity(change)
        smallest = smallest_quantity(self._instrument, self._price)
        if abs(quantity) < smallest:
            self.notes.append(f"a change of {change:f} is below {self._whose()} minimum of {smallest:f}")
            return
        yield from self._order(quantity, reduce_only=reduce_only, smallest=smallest)

    def settings(self, *, flat: bool) -> Iterator[Step]:
        mode = self._goal.margin_mode
        if flat and self._position.margin_mode != mode:
            yield MarginModeStep(margin_mode=mode)
        if flat and self._leverage_in_order:
            return
        if self._position.leverage != self._goal.leverage or (flat and self._position.margin_mode != mode):
            yield LeverageStep(leverage=self._goal.leverage, margin_mode=mode)
