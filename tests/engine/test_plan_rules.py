"""What a plan orders to bring a position to its goal, whatever is held and wanted."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import assume, given
from hypothesis import strategies as st

from te_core.model.instrument import Instrument
from te_core.model.position import Position
from te_core.model.target import Goal
from te_core.rules.plan import LeverageStep, MarginModeStep, OrderStep, Plan, at_target, chunks, plan
from te_core.rules.sizing import flat, smallest_quantity
from te_core.testing.virtual_clock import START
from tests.engine.rule_values import ZERO, situations, target

D = Decimal


def walk(position: Position, steps: Plan) -> list[Decimal]:
    """Every quantity that the position passes through."""
    path = [position.quantity]
    for step in steps.steps:
        match step:
            case OrderStep():
                for chunk in step.chunks:
                    path.append(path[-1] + step.side.sign * chunk)
            case MarginModeStep():
                assert path[-1] == 0, "a margin mode changes only while flat"
    return path


def after(position: Position, goal: Goal, steps: Plan) -> Position:
    settings = [step for step in steps.steps if isinstance(step, LeverageStep)]
    modes = [step for step in steps.steps if isinstance(step, MarginModeStep)]
    return Position(
        symbol=position.symbol,
        quantity=walk(position, steps)[-1],
        leverage=D(settings[-1].leverage) if settings else position.leverage,
        margin_mode=modes[-1].margin_mode
        if modes
        else settings[-1].margin_mode
        if settings
        else position.margin_mode,
    )


def reached(position: Position, goal: Goal, instrument: Instrument) -> Position:
    """Where the plans lead: one, or a second when the first had to close for another margin mode."""
    end = after(position, goal, plan(position, goal, instrument, price=goal.price))
    changes = position.quantity != 0 and position.margin_mode not in (None, goal.margin_mode)
    return after(end, goal, plan(end, goal, instrument, price=goal.price)) if changes else end


@given(situations())
def test_all_orders_of_a_plan_have_one_side(situation: tuple[Position, Goal, Instrument]) -> None:
    """They may fill in any order then."""
    position, goal, instrument = situation
    steps = plan(position, goal, instrument, price=goal.price).steps
    assert len({step.side for step in steps if isinstance(step, OrderStep)}) <= 1


@given(situations())
def test_a_plan_reaches_its_goal_within_a_step_or_a_minimum(
    situation: tuple[Position, Goal, Instrument],
) -> None:
    position, goal, instrument = situation
    end = reached(position, goal, instrument).quantity
    if goal.quantity == 0:
        assert end == 0
    else:
        tolerance = max(instrument.quantity_step, smallest_quantity(instrument, goal.price))
        assert abs(end - goal.quantity) < max(tolerance, D("0.001") * abs(goal.quantity))


@given(situations())
def test_planning_again_orders_nothing(situation: tuple[Position, Goal, Instrument]) -> None:
    position, goal, instrument = situation
    end = reached(position, goal, instrument)
    again = plan(end, goal, instrument, price=goal.price)
    assert not [step for step in again.steps if isinstance(step, OrderStep)]
    if end.quantity != 0:
        assert again.steps == ()


@given(situations())
def test_the_position_never_passes_beyond_its_goal(situation: tuple[Position, Goal, Instrument]) -> None:
    position, goal, instrument = situation
    path = walk(position, plan(position, goal, instrument, price=goal.price))
    low, _, high = sorted((position.quantity, goal.quantity, ZERO))
    assert all(low <= quantity <= high for quantity in path)
    if position.quantity * goal.quantity >= 0 and position.margin_mode in (None, goal.margin_mode):
        low, high = sorted((position.quantity, goal.quantity))
        assert all(low <= quantity <= high for quantity in path)


@given(situations())
def test_a_flip_closes_first_and_reduce_only(situation: tuple[Position, Goal, Instrument]) -> None:
    position, goal, instrument = situation
    assume(position.quantity * goal.quantity < 0)
    orders = [
        step
        for step in plan(position, goal, instrument, price=goal.price).steps
        if isinstance(step, OrderStep)
    ]
    assert orders[0].reduce_only
    assert orders[0].quantity == abs(position.quantity)
    assert all(not order.reduce_only for order in orders[1:])


@given(situations())
def test_orders_are_reduce_only_just_when_they_move_to_flat(
    situation: tuple[Position, Goal, Instrument],
) -> None:
    position, goal, instrument = situation
    held = position.quantity
    for step in plan(position, goal, instrument, price=goal.price).steps:
        if isinstance(step, OrderStep):
            moved = held + step.side.sign * step.quantity
            assert step.reduce_only == (abs(moved) < abs(held))
            held = moved


@given(situations())
def test_closing_is_never_skipped_however_small(situation: tuple[Position, Goal, Instrument]) -> None:
    position, _, instrument = situation
    goal = flat(target(ZERO), now=START)
    assert walk(position, plan(position, goal, None, price=goal.price))[-1] == 0
    assert walk(position, plan(position, goal, instrument, price=goal.price))[-1] == 0


@given(situations(), st.integers(1, 50))
def test_no_chunk_is_larger_than_allowed_and_none_is_lost(
    situation: tuple[Position, Goal, Instrument], largest_steps: int
) -> None:
    position, goal, instrument = situation
    largest = largest_steps * instrument.quantity_step
    smallest = smallest_quantity(instrument, goal.price)
    for step in plan(position, goal, instrument, price=goal.price, largest_order=largest).steps:
        if isinstance(step, OrderStep):
            assert sum(step.chunks) == step.quantity
            whole = step.reduce_only and step.chunks == (step.quantity,)
            small = largest < 2 * smallest
            assert all(0 < chunk <= largest for chunk in step.chunks) or (step.reduce_only and small)
            if instrument.largest_market_quantity is None and not whole:
                assert all(smallest <= chunk for chunk in step.chunks)


def test_chunks_are_nearly_equal_and_none_below_the_minimum() -> None:
    assert chunks(D("10.001"), D(10), D("0.001")) == (D("5.001"), D("5.000"))
    assert chunks(D(7), None, D(1)) == (D(7),)


@given(situations())
def test_leverage_is_set_only_when_it_differs(situation: tuple[Position, Goal, Instrument]) -> None:
    position, goal, instrument = situation
    steps = plan(position, goal, instrument, price=goal.price).steps
    same = position.leverage == goal.leverage and position.margin_mode == goal.margin_mode
    if same:
        assert not [step for step in steps if not isinstance(step, OrderStep)]
    kinds = [type(step) for step in steps]
    if OrderStep in kinds and LeverageStep in kinds:
        reductions = [i for i, s in enumerate(steps) if isinstance(s, OrderStep) and s.reduce_only]
        assert all(i < kinds.index(LeverageStep) for i in reductions)


def test_both_sides_within_a_thousandth_count_as_at_target() -> None:
    assert at_target(D(10000), D(10009), D("0.001"))
    assert not at_target(D(10000), D(10011), D("0.001"))
    assert not at_target(D("0.001"), ZERO, D(1))
    assert at_target(ZERO, ZERO, D(1))
    assert not at_target(D("-0.5"), D("0.5"), D(10))
