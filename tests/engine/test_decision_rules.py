"""What is decided from a target, a goal and what is known of the account; unknown never makes an order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from te_core.model.instrument import Instrument
from te_core.model.policy import AccountPolicy
from te_core.model.position import Equity, MarginMode, Position
from te_core.model.reading import Unknown
from te_core.model.target import Confirmation, Goal
from te_core.rules.decision import Status, decide
from te_core.rules.plan import OrderStep, at_target
from te_core.rules.sizing import smallest_quantity
from te_core.testing.virtual_clock import START
from tests.engine.rule_values import ZERO, facts, goal_of, situations, target

D = Decimal


def test_without_equity_nothing_is_opened_until_funds_arrive() -> None:
    for value in (D(-5), ZERO):
        decision = decide(facts(equity=Equity(wallet=value, total=value)))
        assert (decision.status, decision.goal) == (Status.WAITING, None)
        assert "funds" in decision.reason


def test_no_order_follows_from_an_unknown_value() -> None:
    unknown = Unknown(reason="no answer")
    for gap in ({"position": unknown}, {"equity": unknown}, {"price": None}, {"instrument": None}):
        decision = decide(facts(**gap))
        assert decision.status is Status.WAITING
        assert decision.plan.steps == ()
        assert not decision.confirm


def test_closing_needs_only_the_position() -> None:
    held = Position(symbol="BTCUSDT", quantity=D(3))
    gaps = {"equity": Unknown(reason="down"), "price": None, "instrument": None}
    decision = decide(facts(target=target(ZERO, revision=2), goal=goal_of(D(3)), position=held, **gaps))
    assert [type(step) for step in decision.plan.steps] == [OrderStep]


@given(situations(), st.booleans(), st.booleans(), st.sampled_from(["heal", "alert"]), st.booleans())
def test_a_goal_counts_as_reached_only_where_a_read_shows_it(
    situation: tuple[Position, Goal, Instrument],
    offered: bool,
    priced: bool,
    drift: Literal["heal", "alert"],
    seen: bool,
) -> None:
    """So does a goal missed by less than the exchange's minimum, but only if that minimum is known."""
    position, goal, instrument = situation
    confirmation = Confirmation(account="a", symbol="BTCUSDT", revision=1, quantity=goal.quantity, at=START)
    decision = decide(
        facts(
            target=target(leverage=goal.leverage) if goal.quantity else target(ZERO),
            goal=goal,
            confirmation=confirmation if seen else None,
            position=position,
            price=goal.price if priced else None,
            instrument=instrument if offered else None,
            policy=AccountPolicy(drift=drift),
        )
    )
    if decision.confirm or decision.status is Status.AT_TARGET:
        assert decision.goal is not None
        missing = abs(decision.goal.quantity - position.quantity)
        reached = at_target(position.quantity, decision.goal.quantity, instrument.quantity_step)
        assert reached or (offered and missing < smallest_quantity(instrument, goal.price))


def test_equity_is_the_wallet_unless_the_total_is_chosen() -> None:
    assert decide(facts()).goal.quantity == 50  # type: ignore[union-attr]
    total = AccountPolicy(equity="total")
    assert decide(facts(policy=total)).goal.quantity == 100  # type: ignore[union-attr]


def test_a_kept_goal_is_not_resized_when_equity_moves() -> None:
    goal = goal_of(D(50), D(1), D(1))
    confirmed = Confirmation(account="a", symbol="BTCUSDT", revision=1, quantity=D(50), at=START)
    held = Position(symbol="BTCUSDT", quantity=D(50), leverage=D(1))
    rich = Equity(wallet=D(900), total=D(900))
    assert decide(facts(goal=goal, confirmation=confirmed, position=held, equity=rich)).plan.steps == ()


def test_a_leverage_that_never_shows_does_not_end_a_goal() -> None:
    """A limit held the increase back; it continues once there is room, whatever leverage the exchange reports."""
    kept = facts(
        goal=goal_of(D(50), D(1), D(1)),
        confirmation=Confirmation(account="a", symbol="BTCUSDT", revision=1, quantity=D(20), at=START),
        position=Position(symbol="BTCUSDT", quantity=D(20), leverage=D(3)),
        leverage_tries=2,
        leverage_tried=1,
    )
    assert decide(kept).quantity == 50
    assert decide(kept).plan.increases
    reached = replace(kept, position=Position(symbol="BTCUSDT", quantity=D(50), leverage=D(3)))
    reached = replace(reached, confirmation=replace(kept.confirmation, quantity=D(50)))  # type: ignore[type-var]
    assert decide(reached).status is Status.AT_TARGET
    assert "does not show" in decide(reached).reason


def test_attempts_with_one_leverage_do_not_count_for_another() -> None:
    """It was set twice and never shown; now the exchange allows less."""
    allowed = Instrument(symbol="BTCUSDT", quantity_step=D(1), minimum_quantity=D(1), largest_leverage=3)
    kept = facts(
        target=target(D("0.5"), leverage=4),
        goal=goal_of(D(50), D(1), D(1), leverage=4),
        confirmation=Confirmation(account="a", symbol="BTCUSDT", revision=1, quantity=D(50), at=START),
        position=Position(symbol="BTCUSDT", quantity=D(50), leverage=D(4)),
        leverage_tries=2,
        leverage_tried=4,
    )
    assert "leverage is 4 instead of 3" in decide(replace(kept, instrument=allowed)).reason
    assert decide(replace(kept, instrument=allowed)).plan.steps
    assert not decide(replace(kept, instrument=allowed, leverage_tried=3)).plan.steps


def test_the_leverage_of_an_unclosable_rest_is_ignored() -> None:
    rest = facts(
        target=target(ZERO),
        goal=goal_of(ZERO, D(1), D(1)),
        confirmation=Confirmation(account="a", symbol="BTCUSDT", revision=1, quantity=D("0.5"), at=START),
        position=Position(symbol="BTCUSDT", quantity=D("0.5"), leverage=D(3)),
    )
    assert decide(rest).status is Status.AT_TARGET
    assert decide(rest).plan.steps == ()


def test_a_rest_that_blocks_a_margin_mode_is_not_at_target() -> None:
    rest = facts(
        goal=goal_of(D(50), D(1), D(1)),
        position=Position(symbol="BTCUSDT", quantity=D("0.5"), margin_mode=MarginMode.CROSS),
    )
    assert decide(rest).status is Status.BLOCKED
    assert not decide(rest).confirm
    assert "no order can close it" in decide(rest).reason


def test_a_disturbed_goal_never_exceeds_a_fresh_size() -> None:
    kept = facts(
        goal=goal_of(D(80), D(1), D(1)),
        confirmation=Confirmation(account="a", symbol="BTCUSDT", revision=1, quantity=D(20), at=START),
        position=Position(symbol="BTCUSDT", quantity=D(20)),
    )
    assert decide(kept).quantity == 80
    disturbed = decide(replace(kept, disturbed=True))
    assert disturbed.plan.steps == ()
    assert disturbed.resize
    unknown = decide(replace(kept, disturbed=True, equity=Unknown(reason="no answer")))
    assert (unknown.status, unknown.reason, unknown.resize) == (Status.WAITING, "no answer", "")


def test_what_others_added_is_cut_to_what_is_wanted() -> None:
    """The goal was held back; cutting to where the increase stopped would sell what is bought again at once."""
    held_back = facts(
        goal=goal_of(D(50), D(1), D(1)),
        confirmation=Confirmation(account="a", symbol="BTCUSDT", revision=1, quantity=D(20), at=START),
        position=Position(symbol="BTCUSDT", quantity=D(80), leverage=D(1)),
        disturbed=True,
    )
    assert decide(held_back).quantity == 50
    assert decide(replace(held_back, position=Position(symbol="BTCUSDT", quantity=D(-80)))).quantity == 0
    reached = replace(held_back, confirmation=replace(held_back.confirmation, quantity=D(50)))  # type: ignore[type-var]
    assert decide(reached).quantity == 50
