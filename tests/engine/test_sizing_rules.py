"""How large a target is made, and what becomes of an order below the smallest one."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.model.instrument import Instrument
from te_core.model.policy import AccountPolicy
from te_core.model.position import Equity, MarginMode, Position
from te_core.rules.decision import decide
from te_core.rules.facts import Facts
from te_core.rules.plan import OrderStep
from te_core.rules.sizing import size, smallest_quantity
from te_core.testing.virtual_clock import START
from tests.engine.rule_values import (
    THOUSANDTH,
    ZERO,
    decimals,
    depths,
    facts,
    goal_of,
    instruments,
    prices,
    target,
)

D = Decimal


@given(depths, st.integers(1, 100), decimals("0", "1000000", 2), prices, instruments())
def test_the_explanation_multiplies_to_the_quantity(
    depth: Decimal, leverage: int, equity: Decimal, price: Decimal, instrument: Instrument
) -> None:
    goal = size(target(depth, leverage), equity=equity, price=price, instrument=instrument, now=START)
    assert goal.unrounded == goal.equity * goal.depth * goal.leverage / goal.price
    rounded = (abs(goal.unrounded) / goal.quantity_step).to_integral_value(
        rounding=ROUND_DOWN
    ) * goal.quantity_step
    below = abs(rounded) < smallest_quantity(instrument, price)
    if not below:
        assert abs(goal.quantity) == rounded
    else:
        assert goal.quantity == 0
        assert depth == 0 or any("minimum" in note for note in goal.notes)
    assert goal.quantity == 0 or (goal.quantity > 0) == (depth > 0)


def test_below_minimum_is_flat_or_raised_as_chosen() -> None:
    instrument = Instrument(symbol="X", quantity_step=D("0.001"), minimum_quantity=D("0.01"))
    small = {"equity": D(100), "price": D(10000), "instrument": instrument, "now": START}
    assert size(target(D("0.5")), **small).quantity == 0  # type: ignore[arg-type]
    raised = size(target(D("-0.5")), **small, below_minimum="raise")  # type: ignore[arg-type]
    assert raised.quantity == D("-0.01")


def floored(**changes: object) -> Facts:
    """10,000 at a price of 100 in steps of 0.001, where the operator wants no order of less than 50."""
    step = Instrument(symbol="BTCUSDT", quantity_step=D("0.001"), minimum_notional=D(5))
    policy = AccountPolicy(minimum_order=D(50), **changes.pop("policy", {}))  # type: ignore[arg-type]  # fields of it
    wealth = Equity(wallet=D(10_000), total=D(10_000))
    return facts(**{"instrument": step, "price": D(100), "policy": policy, "equity": wealth, **changes})


def test_a_target_below_minimum_order_is_flat_or_raised() -> None:
    small = target(D("0.004"))
    skipped = decide(floored(target=small))
    assert skipped.goal is not None
    assert (skipped.goal.quantity, skipped.plan.steps) == (ZERO, ())
    assert "minimum_order's smallest order is 0.5 (50" in skipped.goal.notes[0]
    raised = decide(floored(target=small, policy={"below_minimum": "raise"}))
    assert raised.goal is not None
    assert raised.goal.quantity == D("0.5")


@pytest.mark.parametrize("held", ["10.4", "9.6"], ids=["reduction", "increase"])
def test_a_change_below_minimum_order_waits(held: str) -> None:
    position = Position(symbol="BTCUSDT", quantity=D(held), leverage=D(1), margin_mode=MarginMode.ISOLATED)
    known = goal_of(position.quantity)
    decision = decide(floored(target=target(D("0.1"), revision=2), goal=known, position=position))
    assert decision.plan.steps == ()
    assert "below minimum_order's minimum of 0.5" in decision.reason


@given(decimals("0.001", "100", 3), st.booleans(), decimals("0.01", "100000", 2))
def test_minimum_order_never_holds_up_a_close(quantity: Decimal, short: bool, floor: Decimal) -> None:
    held = -quantity if short else quantity
    position = Position(symbol="BTCUSDT", quantity=held, leverage=D(1), margin_mode=MarginMode.ISOLATED)
    known = facts(
        target=target(ZERO, revision=2),
        goal=goal_of(held),
        position=position,
        instrument=Instrument(symbol="BTCUSDT", quantity_step=THOUSANDTH),
        policy=AccountPolicy(minimum_order=floor),
    )
    (step,) = decide(known).plan.steps
    assert isinstance(step, OrderStep)
    assert (step.quantity, step.reduce_only) == (abs(held), True)


def test_minimum_order_does_not_lower_the_exchanges() -> None:
    step = Instrument(symbol="BTCUSDT", quantity_step=D("0.001"), minimum_notional=D(5), own_minimum=D(2))
    assert smallest_quantity(step, D(100)) == D("0.05")
