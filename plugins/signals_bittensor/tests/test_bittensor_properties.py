"""Properties of the pure functions behind the scores that hold whatever the miners did."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from te_core.testing.virtual_clock import START
from te_signals_bittensor import corrected, metrics, parity, position_math
from te_signals_bittensor.combination import Opinion, combine, stakes, stakes_key
from te_signals_bittensor.corrected import Corrected
from te_signals_bittensor.evaluation import acted, evaluate
from te_signals_bittensor.formula import Figures, score_terms
from te_signals_bittensor.guard import Accepted, Guard
from te_signals_bittensor.network import Miner, Network, Order, Position
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.parity import Parity
from te_signals_bittensor.signal_builder import depth_of
from te_signals_bittensor.strategy import Ranked, Strategy

ASSETS = ("BTCUSD", "ETHUSD")
DAY_MS = 86_400_000
NOW_MS = int(START.timestamp() * 1000)

returns = st.lists(st.floats(-0.9, 3), max_size=30)
factors = st.floats(0, 4)
nets = st.floats(-3, 3).map(lambda net: round(net, 9))
"""Net leverages; upstream has none below 0.001, and a mean weighted by 5e-324 is not exact."""
whole = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30)
orders = st.lists(
    st.builds(
        Order,
        leverage=st.floats(-0.5, 0.5),
        price=st.floats(0.5, 1000),
        processed_ms=st.integers(1, 10**6),
        flat=st.booleans(),
        counted=st.booleans(),
    ),
    max_size=12,
).map(lambda found: sorted(found, key=lambda order: order.processed_ms))


@st.composite
def positions(draw: st.DrawFn, *, closed: bool | None = None) -> Position:
    """Draw a position as the reader produces them."""
    is_closed = draw(st.booleans()) if closed is None else closed
    opened = draw(st.integers(1, NOW_MS))
    return Position(
        id=str(draw(st.integers(0, 10**9))),
        asset=draw(st.sampled_from([*ASSETS, "EURUSD"])),
        max_leverage=draw(st.none() | st.floats(0.01, 5)),
        open_ms=opened,
        close_ms=opened + draw(st.integers(0, DAY_MS)) if is_closed else None,
        closed=is_closed,
        value=draw(factors),
        stated_net=draw(st.none() | nets),
        orders_net=draw(nets),
        orders_price=draw(st.floats(0, 1000)),
        parity_drawdown=draw(st.floats(-3, 0)),
        drawdown=draw(st.floats(-1, 0)),
        last_ms=opened + draw(st.integers(0, DAY_MS)),
        orders=draw(st.integers(1, 9)),
    )


def miner(found: list[Position], name: str = "m") -> Miner:
    return Miner(hotkey=name, recent=1.5, ever=1.5).with_positions(found)


# -- metrics


@given(returns)
def test_the_spread_is_never_wider_than_the_values(values: list[float]) -> None:
    assert 0 <= metrics.spread(values) <= (max(values) - min(values) if values else 0) + 1e-12
    assert not values or min(values) - 1e-12 <= metrics.mean(values) <= max(values) + 1e-12


@given(returns, st.floats(0.1, 10))
def test_sharpe_has_the_sign_of_the_mean_and_does_not_scale(values: list[float], scale: float) -> None:
    found = metrics.sharpe(values)
    assert found == 0 or found * metrics.mean(values) > 0
    assume(metrics.spread(values) > 1e-6)
    assert metrics.sharpe([value * scale for value in values]) == pytest.approx(found)


@given(st.floats(-0.9, 3), st.integers(0, 40))
def test_equal_returns_have_a_sharpe_of_zero(value: float, count: int) -> None:
    assert metrics.sharpe([value] * count) == 0


@given(returns)
def test_wins_and_losses_are_shares(values: list[float]) -> None:
    win, loss = metrics.win_rate(values), metrics.win_rate([-value for value in values])
    assert 0 <= win <= 1
    assert win + loss <= 1 + 1e-12


@given(st.lists(st.floats(0, 1e9), max_size=20))
def test_regularity_is_at_most_one(gaps: list[float]) -> None:
    assert metrics.regularity(gaps) <= 1
    assert metrics.regularity([5.0] * len(gaps)) == (1 if gaps else 0)


@given(whole)
def test_ordered_percentiles_are_even_and_follow_the_values(values: list[float]) -> None:
    places = metrics.ordered_percentiles(values)
    count = len(values)
    assert sorted(places) == pytest.approx([i / (count - 1) for i in range(count)] if count > 1 else [1])
    for i, one in enumerate(values):
        for j, other in enumerate(values):
            assert places[i] > places[j] or not (one > other or (one == other and i < j))


@given(whole)
def test_average_ranks_add_up_and_ties_share_theirs(values: list[float]) -> None:
    ranks = metrics.average_ranks(values)
    assert sum(ranks) == len(values) * (len(values) + 1) / 2
    assert len({(value, rank) for value, rank in zip(values, ranks, strict=True)}) == len(set(values))
    assert all(0 <= place <= 1 for place in metrics.average_percentiles(values))


@given(st.lists(factors, max_size=30), st.integers(0, 30))
def test_a_curve_can_be_continued(values: list[float], cut: int) -> None:
    whole_curve = metrics.Curve().after(values)
    assert metrics.Curve().after(values[:cut]).after(values[cut:]) == whole_curve
    assert whole_curve.level == math.prod(values)
    assert -1 <= whole_curve.worst <= 0
    assert whole_curve.worst == 0 or any(value < 1 for value in values)


@given(st.lists(st.sampled_from("abc"), max_size=20))
def test_counts_are_those_of_the_given_names(found: list[str]) -> None:
    assert metrics.counts(found, "ab") == (found.count("a"), found.count("b"))


# -- position math


@given(orders)
def test_a_holding_is_the_sum_of_the_orders(found: list[Order]) -> None:
    net, price = position_math.holding(found)
    if any(order.flat for order in found):
        assert (net, price) == (0, 0)
    else:
        assert net == pytest.approx(sum(order.leverage for order in found), abs=1e-9)
    assert price == 0 or min(o.price for o in found) - 1e-6 <= price <= max(o.price for o in found) + 1e-6


@given(orders, st.floats(0.1, 10))
def test_drawdowns_depend_only_on_ratios_of_prices(found: list[Order], scale: float) -> None:
    scaled = [order._replace(price=order.price * scale) for order in found]
    assert -1 <= position_math.drawdown(found) <= 0
    assert position_math.parity_drawdown(found) <= 0
    assert position_math.drawdown(scaled) == pytest.approx(position_math.drawdown(found), abs=1e-9)


@given(orders)
def test_holdings_of_long_and_short_mirror_each_other(found: list[Order]) -> None:
    turned = [order._replace(leverage=-order.leverage) for order in found]
    net, price = position_math.holding(found)
    assert position_math.holding(turned) == (-net, price)


# -- miners: caching closed positions changes no figure


@settings(max_examples=80)
@given(st.lists(positions(), max_size=12), st.integers(0, 12))
def test_figures_do_not_depend_on_how_positions_are_cached(found: list[Position], cut: int) -> None:
    """A miner may have reached its state in one payload or in many."""
    at_once = miner(found)
    settled = miner(found[:cut])
    later = settled.with_positions(found)
    assert corrected.standing_of(later, ASSETS) == corrected.standing_of(at_once, ASSETS)
    assert parity.record_of_miner(later, ASSETS) == parity.record_of_miner(at_once, ASSETS)
    assert parity.record_of_miner(at_once, ASSETS) == parity.record_of(at_once.on(ASSETS), ASSETS)
    for strategy in (Corrected(), Parity()):
        key = stakes_key(strategy, ASSETS)
        every = [(p.asset, *strategy.stake(p)) for p in at_once.on(ASSETS)]
        assert list(stakes(later, strategy, key)) == [entry for entry in every if entry[1] != 0]


@settings(max_examples=80)
@given(st.lists(positions(closed=True), max_size=10), st.lists(positions(closed=False), max_size=3))
def test_corrected_figures_stay_in_their_ranges(closed: list[Position], still_open: list[Position]) -> None:
    standing = corrected.standing_of(miner([*closed, *still_open]), ASSETS)
    figures = Figures._make(standing.figures)
    mapped = [position for position in (*closed, *still_open) if position.asset in ASSETS]
    assert -1 <= figures.drawdown <= 0
    assert 0 <= figures.regularity <= 1
    assert 0 <= figures.win <= 1
    assert figures.trades == sum(position.closed for position in mapped)
    assert figures.total == pytest.approx(math.prod(position.value for position in mapped) - 1, abs=1e-9)
    assert sum(standing.counts) == len(mapped)


@given(st.permutations(range(6)), st.lists(positions(closed=True), min_size=6, max_size=6))
def test_figures_do_not_depend_on_the_order_of_closed_positions(
    places: list[int], found: list[Position]
) -> None:
    found = [position._replace(id=str(index)) for index, position in enumerate(found)]
    mixed = [found[place] for place in places]
    assert corrected.past_of(mixed, ASSETS) == corrected.past_of(found, ASSETS)


@given(positions())
def test_a_stake_has_the_sign_that_upstream_states(position: Position) -> None:
    share, _ = Corrected().stake(position)
    assert -1 <= share <= 1
    if position.closed or position.max_leverage is None:
        assert share == 0
    elif position.stated_net is not None:
        assert share == 0 or share * position.stated_net > 0
    assert Parity().stake(position) == (position.orders_net, position.orders_price)


@given(
    st.floats(-1, 0), st.floats(0, 1), st.floats(0, 1), st.integers(0, 500), st.floats(0, 1), st.floats(0, 1)
)
def test_better_figures_score_higher(
    drawdown: float, win: float, sharpe: float, trades: int, place: float, regularity: float
) -> None:
    p = Parameters.model_validate({})
    figures = Figures(drawdown, 0.5, 0.1, win, trades, 0.5)
    score = sum(score_terms(figures, sharpe, place, regularity, p).values())
    better = Figures(drawdown / 2, 0.5, 0.2, min(1, win + 0.1), trades + 1, 0.5)
    assert sum(score_terms(better, sharpe, place, regularity, p).values()) > score


# -- all miners together


@st.composite
def networks(draw: st.DrawFn) -> tuple[Miner, ...]:
    drawn = draw(st.lists(st.lists(positions(), min_size=1, max_size=6), min_size=1, max_size=6))
    return tuple(miner(found, f"m{index}") for index, found in enumerate(drawn))


LOOSE = Parameters.model_validate(
    {
        "min_trades": 0,
        "min_profitable_rate": 0,
        "max_drawdown_threshold": -1000,
        "min_total_return": -1,
        "max_trade_age_days": math.inf,
    }
)
MAPPED = {"BTCUSD": "BTCUSDT", "ETHUSD": "ETHUSDT"}


@pytest.mark.parametrize("strategy", [Corrected(), Parity()])
@settings(max_examples=50, deadline=None)
@given(miners=networks())
def test_weights_are_shares_that_fall_with_the_score(strategy: Strategy, miners: tuple[Miner, ...]) -> None:
    found = strategy.rank(miners, assets=MAPPED, parameters=LOOSE, now=START)
    scores = [entry.score for entry in found]
    weights = [entry.weight for entry in found]
    assert scores == sorted(scores, reverse=True)
    assert weights == sorted(weights, reverse=True)
    assert not found or sum(weights) == pytest.approx(1)
    assert all(entry.score == pytest.approx(sum(entry.terms.values())) for entry in found)


@pytest.mark.parametrize("strategy", [Corrected(), Parity()])
@settings(max_examples=50, deadline=None)
@given(miners=networks())
def test_a_depth_is_the_sum_of_its_parts(strategy: Strategy, miners: tuple[Miner, ...]) -> None:
    found = strategy.rank(miners, assets=MAPPED, parameters=LOOSE, now=START)
    for opinion in combine(found, strategy, MAPPED).values():
        total = sum(part.weight * part.share for part in opinion.contributions)
        assert opinion.depth == pytest.approx(max(-1, min(1, total)))
        prices = [part.price for part in opinion.contributions]
        assert opinion.price == 0 or min(prices) - 1e-9 <= opinion.price <= max(prices) + 1e-9


@settings(max_examples=40, deadline=None)
@given(networks(), st.floats(0.5, 1.5))
def test_moving_returns_are_not_an_act_of_a_miner(miners: tuple[Miner, ...], factor: float) -> None:
    """Hysteresis may hold back a change of ranks, never a miner's action."""

    def meaning(found: tuple[Miner, ...]) -> Any:
        network = Network(miners=found)
        return evaluate(network, Corrected(), assets=MAPPED, parameters=LOOSE, now=START)

    before = meaning(miners)
    revalued = tuple(
        m.with_positions([p._replace(value=p.value if p.closed else p.value * factor) for p in m.positions])
        for m in miners
    )
    assert not any(acted(before, meaning(revalued), symbol) for symbol in MAPPED.values())
    counting: list[Ranked] = [
        entry for entry in before.ranked if before.holdings["BTCUSDT"].get(entry.miner.hotkey)
    ]
    if counting:
        name = counting[0].miner.hotkey
        closed = tuple(m.with_positions([]) if m.hotkey == name else m for m in miners)
        assert acted(before, meaning(closed), "BTCUSDT")


@given(st.floats(-1, 1))
def test_a_depth_has_nine_digits(depth: float) -> None:
    found = depth_of(Opinion(depth=depth, price=0.0, contributions=()))
    assert abs(found) <= 1
    assert abs(float(found) - depth) <= 1e-9
    assert -found.as_tuple().exponent <= 9  # type: ignore[operator]  # finite


# -- the guard


@given(st.integers(0, 10**5), st.integers(1, 10**5), st.floats(0, 1), st.integers(1, 10**5))
def test_the_guard_accepts_anything_in_time_and_says_when(
    miners: int, before: int, tolerance: float, seconds: int
) -> None:
    release = timedelta(seconds=seconds)
    guard = Guard(tolerance=tolerance, release=release)
    last = Accepted(miners=before, at=START)
    refusal = guard.refusal(miners, last, START)
    change = abs(miners - before) / max(miners, before)
    assert (refusal is None) == (change <= guard.allowed(timedelta(0)))
    assert guard.refusal(miners, last, START + release) is None
    assert guard.allowed(release / 2) >= guard.allowed(timedelta(0))
    if refusal is not None:
        until = (change - tolerance) / (1 - tolerance) * release
        assert f"{START + until:%H:%M:%S} UTC" in refusal
        assert guard.refusal(miners, last, START + until + timedelta(milliseconds=1)) is None
