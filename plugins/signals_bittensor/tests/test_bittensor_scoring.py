"""Scores, weights and depths: the predecessor's exactly, and ours by their properties."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from te_core.api import ConfigError
from te_core.testing.virtual_clock import START
from te_emulators.bittensor.network import MadeNetwork
from te_signals_bittensor import metrics, position_math
from te_signals_bittensor.combination import Opinion, combine
from te_signals_bittensor.corrected import Corrected
from te_signals_bittensor.network import Holding, Network, Order
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.parity import Parity
from te_signals_bittensor.payload import PayloadReader
from te_signals_bittensor.strategy import Ranked, Strategy
from te_signals_bittensor.strategy_registry import find_strategy
from tests.bittensor.records import (
    ASSETS,
    DAY_MS,
    NOW_MS,
    closed,
    held,
    hotkey,
    miner,
    order,
    worked_example,
)
from tests.bittensor.slow_parity import depths


def network(tree: Any) -> Network:
    return PayloadReader().read(json.dumps(tree).encode())


def parameters(**changes: Any) -> Parameters:
    return Parameters.model_validate(changes)


def ranked(
    tree: Any, strategy: Strategy, assets: dict[str, str] = ASSETS, **changes: Any
) -> tuple[Ranked, ...]:
    return strategy.rank(network(tree).miners, assets=assets, parameters=parameters(**changes), now=START)


def opinions(
    tree: Any, strategy: Strategy, assets: dict[str, str] = ASSETS, **changes: Any
) -> dict[str, Opinion]:
    return combine(ranked(tree, strategy, assets, **changes), strategy, assets)


def good_miner(name: str, net: float, **more: Any) -> dict[str, Any]:
    factors = [1.01, 1.012, 1.008, 1.011, 0.999, 1.02, 1.01, 1.015, 1.01, 1.013, 1.009]
    start = NOW_MS - 12 * DAY_MS
    positions = [closed(f"{name}{i}", f, open_ms=start + i * DAY_MS) for i, f in enumerate(factors)]
    return miner([*positions, held(f"{name}-open", net, open_ms=NOW_MS - 3_600_000, **more)])


# -- parity


def test_the_worked_example_has_a_depth_of_a_third() -> None:
    found = ranked(worked_example(), Parity())
    assert [entry.miner.hotkey for entry in found] == [hotkey(3), hotkey(1), hotkey(2)]
    assert [round(entry.score, 4) for entry in found] == [4.0510, 3.9361, 3.4481]
    assert [entry.weight for entry in found] == pytest.approx([1 / 2, 1 / 3, 1 / 6])
    assert opinions(worked_example(), Parity())["BTCUSDT"].depth == pytest.approx(0.33333, abs=5e-6)


def made_network(seed: int, miners: int) -> dict[str, Any]:
    """Return miners of every kind: flips, dust, flats, losses, single trades, ties, long pauses."""
    rng = random.Random(seed)
    pairs = [
        ["BTCUSD", "BTC/USD", 0.003, 0.01, 0.5],
        ["ETHUSD", "ETH/USD", 0.003, 0.01, 0.5],
        ["NZDUSD", "x", 0, 0, 5],
    ]
    tree = {}
    for number in range(miners):
        positions: list[dict[str, Any]] = []
        start = NOW_MS - rng.randint(15, 90) * DAY_MS
        skill = rng.choice([0.0, 0.004, 0.008])
        for index in range(rng.randint(1, 40)):
            orders = []
            for step in range(rng.randint(1, 5)):
                size = rng.choice([0.1, 0.2, 0.3, round(rng.uniform(0.01, 0.5), 3)]) * rng.choice(
                    [1, 1, 1, -1]
                )
                orders.append(
                    order(f"{number}-{index}-{step}", size, round(rng.uniform(95, 105), 2), start + step)
                )
            is_open = rng.random() < 0.15
            if not is_open and rng.random() < 0.9:
                orders.append(order(f"{number}-{index}-f", 0.0, 100.0, start + 9, "FLAT"))
            factor = round(1 + rng.gauss(skill, 0.006), 4)
            record = closed(f"{number}-{index}", factor, open_ms=start, lasts=rng.randint(1, 9) * 1_000_000)
            record.update(orders=orders, trade_pair=rng.choice(pairs))
            if is_open:
                record.update(is_closed_position=False, close_ms=0, current_return=factor + 0.001)
            positions.append(record)
            start += rng.randint(1, 40) * 3_600_000
        tree[hotkey(number)] = miner(
            positions, recent=rng.choice([0.0, 0.9, 1.1, 1.1]), ever=rng.choice([1.2, 1.2, 0.0])
        )
    return tree


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "changes",
    [
        {"min_trades": 2},
        {
            "min_trades": 5,
            "min_profitable_rate": 0.4,
            "max_drawdown_threshold": -2.0,
            "min_total_return": -1.0,
        },
        {"min_trades": 3, "min_trades_per_asset": 2, "max_trade_age_days": 40, "sharpe_exponent": 3},
        {
            "min_trades": 1,
            "min_profitable_rate": 0,
            "max_trade_age_days": float("inf"),
            "drawdown_exponent": 1,
        },
    ],
)
def test_parity_equals_the_plain_rules_on_three_hundred_miners(seed: int, changes: dict[str, Any]) -> None:
    tree = made_network(seed, 300)
    assert_like_the_plain_rules(tree, changes)


def test_parity_equals_the_plain_rules_on_the_emulated_network() -> None:
    made = MadeNetwork(miners=300, seed=7, now_ms=NOW_MS, orders=60)
    for _ in range(5):
        made.tick()
    assert_like_the_plain_rules(made.payload(), {"min_trades": 3, "min_profitable_rate": 0.4})


def assert_like_the_plain_rules(tree: dict[str, Any], changes: dict[str, Any]) -> None:
    slow, prices, order_of_miners = depths(tree, ASSETS, NOW_MS, **changes)
    found = ranked(tree, Parity(), **changes)
    assert len(order_of_miners) > 5
    assert [entry.miner.hotkey for entry in found] == order_of_miners
    for symbol, opinion in combine(found, Parity(), ASSETS).items():
        assert opinion.depth == pytest.approx(slow[symbol], abs=1e-12)
        assert opinion.price == pytest.approx(prices[symbol], rel=1e-12)


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([(0.3, 100), (-0.5, 110)], (-0.2, 110)),
        ([(0.3, 100), (0.1, 120), (-0.2, 110)], (0.2, 105)),
        ([(0.3, 100), (-0.3, 90)], (0, 0)),
    ],
)
def test_net_position_and_average_price_follow_the_orders(
    orders: list[tuple[float, float]], expected: tuple[float, float]
) -> None:
    walked = position_math.holding([Order(q, p, t) for t, (q, p) in enumerate(orders)])
    assert walked == pytest.approx(expected)


def test_a_flat_order_ends_everything() -> None:
    assert position_math.holding([Order(0.3, 100, 1), Order(0.0, 100, 2, flat=True)]) == Holding(0, 0)


# -- corrected

moves = st.lists(st.tuples(st.floats(-0.5, 0.5), st.floats(1, 1000)), max_size=20)


@given(moves)
def test_drawdown_is_bounded_and_a_rising_long_has_none(orders: list[tuple[float, float]]) -> None:
    assert -1 <= position_math.drawdown([Order(q, p, t) for t, (q, p) in enumerate(orders)]) <= 0
    rising = sorted(abs(p) for _, p in orders)
    assert position_math.drawdown([Order(0.1, p, t) for t, p in enumerate(rising)]) == pytest.approx(
        0, abs=1e-9
    )


def test_drawdown_sees_the_closing_order_and_the_right_direction() -> None:
    long = [Order(0.5, 100, 1), Order(-0.5, 80, 2, flat=True)]
    short = [Order(-0.5, 100, 1), Order(0.5, 80, 2, flat=True)]
    assert position_math.drawdown(long) == pytest.approx(-0.1)
    assert position_math.drawdown(short) == 0
    assert position_math.parity_drawdown(long) == 0  # the flaw


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_equal_values_share_their_rank(values: list[int]) -> None:
    places = metrics.average_percentiles([float(v) for v in values])
    assert all(0 <= place <= 1 for place in places)
    for i, one in enumerate(values):
        for j, other in enumerate(values):
            assert (places[i] > places[j]) == (one > other) or (one == other and places[i] == places[j])


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)), st.lists(st.floats(-0.5, 0.5), min_size=6, max_size=6))
def test_the_order_of_miners_does_not_matter(places: list[int], nets: list[float]) -> None:
    tree = {hotkey(i): good_miner(f"m{i}", net or 0.1) for i, net in enumerate(nets)}
    mixed = {hotkey(i): tree[hotkey(i)] for i in places}
    assert opinions(mixed, Corrected())["BTCUSDT"].depth == pytest.approx(
        opinions(tree, Corrected())["BTCUSDT"].depth
    )


@pytest.mark.parametrize("strategy", [Parity(), Corrected()])
@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-3, 3).filter(lambda net: abs(net) > 0.01), min_size=1, max_size=6))
def test_weights_add_up_and_depths_stay_in_range(strategy: Strategy, nets: list[float]) -> None:
    tree = {hotkey(i): good_miner(f"m{i}", net) for i, net in enumerate(nets)}
    found = ranked(tree, strategy)
    assert sum(entry.weight for entry in found) == pytest.approx(1)
    assert all(-1 <= opinion.depth <= 1 for opinion in combine(found, strategy, ASSETS).values())


def test_depth_is_a_share_of_what_upstream_allows() -> None:
    tree = {hotkey(1): good_miner("a", 0.25)}
    assert opinions(tree, Corrected())["BTCUSDT"].depth == 0.5
    assert opinions(tree, Parity())["BTCUSDT"].depth == 0.25


def test_two_ids_of_one_coin_are_added() -> None:
    record = good_miner("a", 0.25)
    usdc = held("usdc", 0.4, open_ms=NOW_MS - 5, trade_pair=["BTCUSDC", "BTC/USDC", 0.003, 0.01, 1.0])
    record["positions"].append(usdc)
    assets = {"BTCUSD": "BTCUSDT", "BTCUSDC": "BTCUSDT"}
    assert opinions({hotkey(1): record}, Corrected(), assets)["BTCUSDT"].depth == pytest.approx(0.9)
    assert opinions({hotkey(1): record}, Parity(), assets)["BTCUSDT"].depth == pytest.approx(0.65)


def test_a_closed_position_asks_for_nothing() -> None:
    record = good_miner("a", 0.25)
    left = closed("implicit", 1.01, open_ms=NOW_MS - 2 * DAY_MS)
    left["orders"] = [order("x1", 0.2, 100, NOW_MS - 2 * DAY_MS), order("x2", -0.1, 100, NOW_MS - DAY_MS)]
    record["positions"].insert(0, left)
    assert opinions({hotkey(1): record}, Corrected())["BTCUSDT"].depth == 0.5
    assert opinions({hotkey(1): record}, Parity())["BTCUSDT"].depth == pytest.approx(0.35)  # the flaw


def test_a_losing_miner_and_a_stale_one_do_not_count() -> None:
    loser = {**good_miner("l", 0.5), "thirty_day_returns": 0.9}
    stale = good_miner("s", 0.5)
    for position in stale["positions"]:
        for name in ("open_ms", "close_ms"):
            position[name] = max(0, position[name] - 40 * DAY_MS)
        for entry in position["orders"]:
            entry["processed_ms"] -= 40 * DAY_MS
    tree = {hotkey(1): loser, hotkey(2): stale}
    assert ranked(tree, Corrected()) == ()
    assert [entry.miner.hotkey for entry in ranked(tree, Parity())] == [hotkey(1)]


def test_new_orders_on_an_old_position_keep_a_miner_active() -> None:
    record = good_miner("a", 0.2)
    for position in record["positions"][:-1]:
        for name in ("open_ms", "close_ms"):
            position[name] -= 20 * DAY_MS
        for entry in position["orders"]:
            entry["processed_ms"] -= 20 * DAY_MS
    assert len(ranked({hotkey(1): record}, Corrected())) == 1
    assert len(ranked({hotkey(1): record}, Parity())) == 0


def test_strategies_are_found_by_name() -> None:
    assert isinstance(find_strategy("parity"), Parity)
    with pytest.raises(ConfigError, match="corrected"):
        find_strategy("best")
