"""The pure rules: properties that hold for every input."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from te_core.model.instrument import Instrument
from te_core.model.order import HEX_IDS, ClientOrderIdForm
from te_core.model.policy import AccountPolicy, Limits
from te_core.model.position import Equity, MarginMode, Position
from te_core.model.reading import Unknown
from te_core.model.signal import Signal
from te_core.model.target import Confirmation, Goal, Target
from te_core.rules.backoff import backoff
from te_core.rules.blend import Opinion, blend, depth_changed, target_changed
from te_core.rules.client_order_ids import client_order_id, is_engine_id
from te_core.rules.decision import Facts, Status, decide
from te_core.rules.limits import Ceiling, Exposure, OrderCheck, ceiling, hold_back, refusal
from te_core.rules.plan import LeverageStep, MarginModeStep, OrderStep, Plan, at_target, chunks, plan
from te_core.rules.sizing import flat, size, smallest_quantity
from te_core.rules.targeting import target_for
from te_core.settings.policies import effective_limits
from te_core.settings.schema import GlobalLimitSettings, LimitSettings
from te_core.testing.virtual_clock import START

D = Decimal
ZERO = D(0)


def decimals(low: str, high: str, places: int = 6) -> st.SearchStrategy[Decimal]:
    return st.decimals(D(low), D(high), places=places, allow_nan=False, allow_infinity=False)


depths = decimals("-1", "1", 5)
prices = decimals("0.0001", "100000", 4)
steps = st.sampled_from([D("0.001"), D("0.0001"), D("0.1"), D(1), D(10), D("0.003")])


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    step = draw(steps)
    return Instrument(
        symbol="BTCUSDT",
        quantity_step=step,
        minimum_quantity=step * draw(st.integers(0, 20)),
        minimum_notional=draw(st.sampled_from([ZERO, D(5), D(100)])),
        contract_size=step,
        largest_market_quantity=draw(st.none() | st.integers(1, 500).map(lambda n: n * step)),
        largest_leverage=draw(st.none() | st.integers(1, 100)),
    )


HALF, HUNDRED, THOUSANDTH = D("0.5"), D(100), D("0.001")


def target(depth: Decimal = HALF, leverage: int = 1, revision: int = 1, **more: object) -> Target:
    return Target(
        account="a",
        symbol="BTCUSDT",
        revision=revision,
        depth=depth,
        leverage=leverage,
        margin_mode=MarginMode.ISOLATED,
        reason="test",
        created_at=START,
        **more,  # type: ignore[arg-type]
    )


def goal_of(
    quantity: Decimal, price: Decimal = HUNDRED, step: Decimal = THOUSANDTH, leverage: int = 1
) -> Goal:
    return Goal(
        account="a",
        symbol="BTCUSDT",
        revision=1,
        quantity=quantity,
        leverage=leverage,
        margin_mode=MarginMode.ISOLATED,
        depth=D("0.5"),
        equity=D(1),
        price=price,
        unrounded=quantity,
        contract_size=D(1),
        quantity_step=step,
        sized_at=START,
    )


@st.composite
def situations(draw: st.DrawFn) -> tuple[Position, Goal, Instrument]:
    instrument = draw(instruments())
    price = draw(prices)
    held = draw(st.integers(-3000, 3000)) * instrument.quantity_step
    want = draw(st.integers(-3000, 3000)) * instrument.quantity_step
    smallest = smallest_quantity(instrument, price)
    assume(want == 0 or abs(want) >= smallest)
    position = Position(
        symbol="BTCUSDT",
        quantity=held,
        leverage=draw(st.none() | st.integers(1, 5).map(D)),
        margin_mode=draw(st.none() | st.sampled_from(MarginMode)),
    )
    return position, goal_of(want, price, instrument.quantity_step, draw(st.integers(1, 5))), instrument


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


# -- plan


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
def test_applying_a_plan_reaches_the_goal_within_a_step_or_a_minimum(
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
def test_planning_again_gives_nothing(situation: tuple[Position, Goal, Instrument]) -> None:
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
def test_orders_are_reduce_only_exactly_when_they_move_towards_flat(
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


def test_chunks_are_nearly_equal_so_that_none_is_below_the_minimum() -> None:
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


# -- sizing


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


@given(
    decimals("-100", "100", 3), decimals("-100", "100", 3), prices, instruments(), decimals("0", "10000", 2)
)
def test_a_limit_holds_back_increases_and_nothing_else(
    want: Decimal, held: Decimal, price: Decimal, instrument: Instrument, top: Decimal
) -> None:
    ceiling_now = Ceiling(notional=top, limit="symbol_exposure")
    for known in (price, None):
        left = hold_back(want, held=held, ceiling=ceiling_now, price=known, instrument=instrument)
        kept = min(abs(held), abs(want)) if held * want > 0 else ZERO
        assert kept <= abs(left.quantity) <= abs(want)
        assert left.quantity * want >= 0
        assert abs(left.quantity) <= kept or abs(left.quantity) * price <= top
        assert bool(left.cut) == (left.quantity != want)
        assert known is not None or abs(left.quantity) == kept
    assert hold_back(want, held=held, ceiling=None, price=None, instrument=None).quantity == want


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


def test_an_account_without_value_opens_nothing_until_funds_arrive() -> None:
    for value in (D(-5), ZERO):
        decision = decide(facts(equity=Equity(wallet=value, total=value)))
        assert (decision.status, decision.goal) == (Status.WAITING, None)
        assert "funds" in decision.reason


# -- blend


def signal(source: str, depth: Decimal, leverage: Decimal | None = None, age: int = 0) -> Signal:
    time = START - timedelta(seconds=age)
    return Signal(
        source=source, symbol="BTCUSDT", depth=depth, leverage=leverage, time=time, received_at=time
    )


@given(
    st.lists(st.tuples(depths, st.none() | st.integers(1, 50).map(D)), min_size=1, max_size=5),
    st.integers(1, 20),
)
def test_a_blend_is_the_weighted_sum_and_stays_within_one(
    opinions: list[tuple[Decimal, Decimal | None]], configured: int
) -> None:
    weight = D(1) / 8
    names = [f"s{index}" for index in range(len(opinions))]
    result = blend(
        "BTCUSDT",
        weights=dict.fromkeys(names, weight),
        leverage=configured,
        opinions={n: Opinion(signal=signal(n, d, lev)) for n, (d, lev) in zip(names, opinions, strict=True)},
        now=START,
    )
    assert result.depth == sum(weight * depth for depth, _ in opinions)
    assert abs(result.depth) <= 1
    stated = [leverage for depth, leverage in opinions if leverage is not None and depth != 0]
    if stated:
        assert min(stated) <= result.leverage <= max(stated)
    else:
        assert result.leverage == configured


def test_what_counts_as_no_opinion() -> None:
    now = START
    old = signal("s", D("0.5"), age=100)
    week = timedelta(seconds=60)
    cases = {
        "hold": Opinion(signal=old, max_age=week, on_expiry="hold"),
        "flat": Opinion(signal=old, max_age=week, on_expiry="flat"),
        "off": Opinion(signal=old, enabled=False),
        "fresh": Opinion(signal=old, max_age=timedelta(seconds=101), on_expiry="flat"),
    }
    found = {
        name: blend("BTCUSDT", weights={"s": D(1)}, leverage=1, opinions={"s": opinion}, now=now)
        for name, opinion in cases.items()
    }
    assert {name: b.depth for name, b in found.items()} == {
        "hold": D("0.5"),
        "flat": ZERO,
        "off": ZERO,
        "fresh": D("0.5"),
    }
    assert "expired" in found["hold"].terms[0].note
    assert "disabled" in found["off"].terms[0].note


@pytest.mark.parametrize(
    ("age", "depth"), [(59, "0.5"), (60, "0.5"), (75, "0.375"), (90, "0.25"), (120, "0"), (9000, "0")]
)
def test_a_decaying_signal_shrinks_evenly_to_nothing(age: int, depth: str) -> None:
    opinion = Opinion(signal=signal("s", D("0.5"), age=age), max_age=timedelta(seconds=60), on_expiry="decay")
    result = blend("BTCUSDT", weights={"s": D(1)}, leverage=1, opinions={"s": opinion}, now=START)
    assert result.depth == D(depth)


def test_a_signal_that_may_not_age_decays_at_once() -> None:
    opinion = Opinion(signal=signal("s", D(1), age=0), max_age=timedelta(0), on_expiry="decay")
    assert opinion.remaining(START) == 0


@given(depths, depths)
def test_small_changes_of_depth_are_ignored_but_flat_never_is(old: Decimal, new: Decimal) -> None:
    changed = depth_changed(old, new)
    if (old == 0) != (new == 0):
        assert changed
    elif old * new > 0:
        assert changed == (abs(old - new) > max(D("0.0001"), D("0.001") * max(abs(old), abs(new))))


def test_leverage_means_nothing_while_flat() -> None:
    assert not target_changed(target(ZERO, 1), target(ZERO, 5))
    assert target_changed(target(D("0.1"), 1), target(D("0.1"), 5))


# -- targets of an account


@given(
    depths, st.integers(1, 50), st.none() | st.integers(1, 50), st.none() | st.integers(1, 50), st.booleans()
)
def test_a_target_respects_its_account_s_override_cap_and_switch(
    depth: Decimal, leverage: int, override: int | None, cap: int | None, enabled: bool
) -> None:
    blend_for = blend(
        "BTCUSDT",
        weights={"s": D(1)},
        leverage=leverage,
        opinions={"s": Opinion(signal=signal("s", depth))},
        now=START,
    )
    old = target(D("0.123"), 1, revision=7)
    new = target_for(
        blend_for,
        old,
        account="a",
        symbol="BTCUSDT",
        policy=AccountPolicy(leverage=override),
        limits=Limits(leverage=cap),
        enabled=enabled,
        now=START,
    )
    if new is None:
        assert not depth_changed(old.depth, depth)
        return
    assert new.revision == 8
    assert new.depth == (depth if enabled else 0)
    assert new.leverage == min(override or leverage, cap or 1000)


# -- limits


@given(
    decimals("0", "10000", 2),
    decimals("0", "10000", 2),
    decimals("0", "10000", 2),
    decimals("0", "10000", 2),
    decimals("0", "30000", 2),
)
def test_an_admitted_increase_keeps_every_exposure_limit(
    symbol: Decimal, account: Decimal, total: Decimal, others: Decimal, wanted: Decimal
) -> None:
    assume(min(symbol, account, total) > 0)
    limits = Limits(symbol_exposure=symbol, account_exposure=account, total_exposure=total)
    exposure = Exposure(account_others=others, total_others=others * 2)
    check = OrderCheck(
        notional=wanted,
        notional_after=wanted,
        reduce_only=False,
        enabled=True,
        leverage=1,
        price=D(1),
        signal_price=None,
        orders_last_minute=0,
        exposure=exposure,
    )
    if refusal(check, limits) is None:
        assert wanted <= symbol
        assert wanted + others <= account or wanted == 0
        assert wanted + others * 2 <= total or wanted == 0
    top = ceiling(limits, exposure)
    assert top is not None
    assert top.notional >= 0


def test_the_stricter_limit_wins() -> None:
    limits = effective_limits(
        GlobalLimitSettings(leverage=10, order_notional=D(5)), LimitSettings(leverage=20)
    )
    assert (limits.leverage, limits.order_notional, limits.orders_per_minute) == (10, D(5), 600)


def test_a_default_never_overrides_a_limit_that_was_stated() -> None:
    limits = effective_limits(GlobalLimitSettings(orders_per_minute=6000), LimitSettings())
    assert limits.orders_per_minute == 6000


# -- decision


def facts(**changes: object) -> Facts:
    base: dict[str, object] = {
        "target": target(),
        "goal": None,
        "confirmation": None,
        "position": Position(symbol="BTCUSDT", quantity=ZERO),
        "equity": Equity(wallet=D(100), total=D(200)),
        "price": D(1),
        "instrument": Instrument(symbol="BTCUSDT", quantity_step=D(1)),
        "policy": AccountPolicy(),
        "limits": Limits(),
        "leverage_in_order": False,
        "ceiling": None,
        "now": START,
    }
    return Facts(**{**base, **changes})  # type: ignore[arg-type]


def test_unknown_never_makes_an_order() -> None:
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
    """Short of it by less than the exchange takes, too; but never for want of knowing what it takes."""
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


def test_equity_is_the_wallet_unless_the_account_counts_its_total() -> None:
    assert decide(facts()).goal.quantity == 50  # type: ignore[union-attr]
    total = AccountPolicy(equity="total")
    assert decide(facts(policy=total)).goal.quantity == 100  # type: ignore[union-attr]


def test_a_kept_goal_is_not_resized_when_equity_moves() -> None:
    goal = goal_of(D(50), D(1), D(1))
    confirmed = Confirmation(account="a", symbol="BTCUSDT", revision=1, quantity=D(50), at=START)
    held = Position(symbol="BTCUSDT", quantity=D(50), leverage=D(1))
    rich = Equity(wallet=D(900), total=D(900))
    assert decide(facts(goal=goal, confirmation=confirmed, position=held, equity=rich)).plan.steps == ()


def test_a_leverage_that_never_shows_does_not_end_the_way_to_a_goal() -> None:
    """A limit held the increase back; once there is room it goes on, whatever the exchange shows of the leverage."""
    kept = facts(
        goal=goal_of(D(50), D(1), D(1)),
        confirmation=Confirmation(account="a", symbol="BTCUSDT", revision=1, quantity=D(20), at=START),
        position=Position(symbol="BTCUSDT", quantity=D(20), leverage=D(3)),
        leverage_tries=2,
    )
    assert decide(kept).quantity == 50
    assert decide(kept).plan.increases
    reached = replace(kept, position=Position(symbol="BTCUSDT", quantity=D(50), leverage=D(3)))
    reached = replace(reached, confirmation=replace(kept.confirmation, quantity=D(50)))  # type: ignore[type-var]
    assert decide(reached).status is Status.AT_TARGET
    assert "does not show" in decide(reached).reason


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


def test_after_others_traded_no_held_back_goal_exceeds_a_fresh_size() -> None:
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


def test_what_others_added_is_cut_to_what_is_wanted_and_no_further() -> None:
    """Something had held the goal back; cutting to where that ended would sell what is bought again at once."""
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


# -- ids and back-off


FORMS = {
    "letters and digits": ClientOrderIdForm(),
    "hexadecimal": HEX_IDS,
    "lower case": ClientOrderIdForm(length=25, alphabet=string.digits + string.ascii_lowercase),
    "a number": ClientOrderIdForm(length=16, alphabet=string.digits, prefix="7"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_client_order_ids_follow_from_what_the_order_is_for(form: ClientOrderIdForm) -> None:
    one = client_order_id("j", "a", "BTCUSDT", 1, 1, 0, form=form)
    assert one == client_order_id("j", "a", "BTCUSDT", 1, 1, 0, form=form)
    others = {
        client_order_id(*key, form=form)
        for key in [
            ("k", "a", "BTCUSDT", 1, 1, 0),
            ("j", "b", "BTCUSDT", 1, 1, 0),
            ("j", "a", "ETHUSDT", 1, 1, 0),
            ("j", "a", "BTCUSDT", 2, 1, 0),
            ("j", "a", "BTCUSDT", 1, 2, 0),
            ("j", "a", "BTCUSDT", 1, 1, 1),
            ("j", "a", "BTCUSDT", 1, 11, 0),
            ("j", "a", "BTCUSDT", 11, 1, 0),
        ]
    }
    assert len(others) == 8
    assert one not in others
    assert all(len(each) == form.length and is_engine_id(each, form) for each in {one, *others})
    assert set(one) <= {*form.alphabet, *form.prefix}


def test_ids_of_100_000_orders_all_differ() -> None:
    for form in FORMS.values():
        made = {client_order_id("j", "a", "BTCUSDT", 1, step, 0, form=form) for step in range(25_000)}
        assert len(made) == 25_000


def test_the_default_ids_fit_the_strictest_exchange() -> None:
    """28 characters, letters and digits only: Gate's length and the alphabet of OKX, BloFin and Bitget."""
    made = client_order_id("j", "a", "BTCUSDT", 1, 1, 0, form=ClientOrderIdForm())
    assert len(made) == 22
    assert made.isalnum()
    assert made.isascii()


def test_numeric_ids_are_exact_in_floats_too() -> None:
    form = FORMS["a number"]
    assert int(form.prefix + "9" * (form.length - len(form.prefix))) < 2**53
    assert client_order_id("j", "a", "BTCUSDT", 1, 1, 0, form=form).isdecimal()


@pytest.mark.parametrize(
    ("client_order_id", "ours"),
    [
        ("7e" + "0Az9" * 5, True),
        ("7e" + "0a1b2c" * 5, True),  # as releases up to 0.1 made them
        ("7e" + "0Az9" * 4, False),
        ("7e" + "0Az_" * 5, False),
        ("7f" + "0Az9" * 5, False),
        ("web-" + "7e" + "0Az9" * 5, False),
        ("", False),
    ],
)
def test_ids_of_other_installations_are_recognised(client_order_id: str, ours: bool) -> None:
    assert is_engine_id(client_order_id, ClientOrderIdForm()) is ours


@pytest.mark.parametrize(
    "form",
    [{"length": 10}, {"alphabet": "0123456789", "length": 16}, {"alphabet": "aab"}, {"prefix": "7-"}],
)
def test_a_form_in_which_ids_could_repeat_is_refused(form: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="client order ids"):
        ClientOrderIdForm(**form)


def test_waiting_doubles_up_to_its_largest() -> None:
    first, last = timedelta(seconds=5), timedelta(seconds=120)
    waits = [backoff(n, first, last).total_seconds() for n in range(8)]
    assert waits == [0, 5, 10, 20, 40, 80, 120, 120]
