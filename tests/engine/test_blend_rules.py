"""How opinions are blended to a depth and a leverage, and when that makes a new target of an account."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.model.policy import AccountPolicy, Limits
from te_core.model.signal import Signal
from te_core.rules.blend import Opinion, blend, depth_changed, target_changed
from te_core.rules.targeting import target_for
from te_core.testing.virtual_clock import START
from tests.engine.rule_values import ZERO, depths, target

D = Decimal


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
