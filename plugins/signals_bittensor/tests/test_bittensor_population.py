"""Which miners count: not the eliminated ones, not one entity many times, and only on mapped ids."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from te_core.testing.virtual_clock import START
from te_emulators.bittensor.network import ALL_PAIRS, TieredNetwork
from te_signals_bittensor.corrected import Corrected
from te_signals_bittensor.entities import entity_of
from te_signals_bittensor.evaluation import Evaluation, Terms, evaluate
from te_signals_bittensor.limits import Account, Limits, PairTable
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.payload import PayloadReader
from tests.bittensor.records import ASSETS, DAY_MS, NOW_MS, closed, held, hotkey, miner, order

MakeHarness = Callable[..., Any]
LOOSE = {"min_trades": 1, "min_profitable_rate": 0, "max_drawdown_threshold": -1, "min_total_return": -1}
ENTITY = hotkey(9)


def record(name: str, net: float, factor: float = 1.01, **more: Any) -> dict[str, Any]:
    done = [closed(f"{name}{i}", factor, open_ms=NOW_MS - (9 - i) * DAY_MS) for i in range(4)]
    return miner([*done, *([held(f"{name}-open", net, open_ms=NOW_MS - 5000, **more)] if net else [])])


def evaluated(tree: Any, assets: Mapping[str, str] = ASSETS, **terms: Any) -> Evaluation:
    return evaluate(
        PayloadReader().read(json.dumps(tree).encode()),
        Corrected(),
        assets=assets,
        parameters=Parameters.model_validate(LOOSE),
        now=START,
        terms=Terms(**terms),
    )


def weights(found: Evaluation) -> dict[str, float]:
    return {entry.miner.hotkey: entry.weight for entry in found.ranked}


# -- eliminations


async def test_an_eliminated_miner_no_longer_counts(make_harness: MakeHarness) -> None:
    d = make_harness(scoring=LOOSE)
    tree = {hotkey(1): record("a", 0.25), hotkey(2): record("b", 0, 1.02)}
    d.upstream.serve(tree)
    await d.run(1)
    assert float(d.recorder.depths()["BTCUSDT"]) == pytest.approx(0.5 / 3), (
        "the other has two thirds and no stake"
    )
    assert d.facts.idle[-1] == []
    d.facts.eliminated, d.facts.changed = {hotkey(2)}, True
    await d.source.cycle()
    assert d.recorder.depths()["BTCUSDT"] == 0.5
    assert d.source.status()["excluded_eliminated"] == 1
    assert d.facts.idle[-1] == [hotkey(2)], "those that count and hold nothing are queried"


def test_no_miner_counts_if_all_are_eliminated() -> None:
    found = evaluated({hotkey(1): record("a", 0.25)}, eliminated={hotkey(1)})
    assert found.ranked == ()
    assert found.excluded == {"eliminated": 1}
    assert found.traded_instead == ""


# -- entities


def of_one_entity(subaccounts: int) -> dict[str, Any]:
    """A miner's own account between subaccounts that are worse the higher their number."""
    tree = {f"{ENTITY}_{n}": record(f"s{n}-", 0.5, 1.02 - n / 10_000) for n in range(subaccounts)}
    return {**tree, hotkey(1): record("own", -0.5, 1.001)}


def test_a_subaccounts_hotkey_names_its_entity() -> None:
    assert entity_of(f"{ENTITY}_12") == ENTITY
    assert entity_of(ENTITY) is None
    assert entity_of(f"{ENTITY}_") is None
    assert entity_of(f"{ENTITY}_x1") is None


def test_an_entity_counts_once_with_any_number_of_subaccounts() -> None:
    few, many = (evaluated(of_one_entity(n), per_entity=1) for n in (1, 40))
    assert (
        weights(few)
        == weights(many)
        == {f"{ENTITY}_0": pytest.approx(2 / 3), hotkey(1): pytest.approx(1 / 3)}
    )
    assert many.opinions["BTCUSDT"].depth == pytest.approx(1 / 3)
    assert many.excluded == {"entity": 39}
    uncapped = evaluated(of_one_entity(40), per_entity=0)
    assert uncapped.opinions["BTCUSDT"].depth > 0.99


def test_two_subaccounts_of_an_entity_count_if_two_may() -> None:
    found = evaluated(of_one_entity(5), per_entity=2)
    assert list(weights(found)) == [f"{ENTITY}_0", f"{ENTITY}_1", hotkey(1)]
    assert found.excluded == {"entity": 3}


def test_the_sum_of_an_entity_counts_as_one_miner() -> None:
    tree = of_one_entity(2)
    tree[f"{ENTITY}_1"] = record("short-", -0.25, 1.015)
    accounts = {f"{ENTITY}_0": Account(size=30_000.0), f"{ENTITY}_1": Account(size=10_000.0)}
    found = evaluated(tree, per_entity="sum", limits=Limits(PairTable({}, {}), accounts))
    assert weights(found) == pytest.approx(
        {f"{ENTITY}_0": 2 / 3 * 3 / 4, f"{ENTITY}_1": 2 / 3 / 4, hotkey(1): 1 / 3}
    )
    assert found.excluded == {}
    unsized = evaluated(tree, per_entity="sum")
    assert weights(unsized)[f"{ENTITY}_0"] == pytest.approx(1 / 3)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000),
    per_entity=st.one_of(st.integers(0, 4), st.just("sum")),
    share=st.floats(0, 1),
)
def test_the_weights_of_a_capped_ranking_add_up_to_one(
    seed: int, per_entity: int | str, share: float
) -> None:
    made = TieredNetwork(miners=24, seed=seed, now_ms=NOW_MS, orders=12, entities=2, subaccounts=5)
    out = set(list(made.miners)[: int(share * 12)])
    mapped = {name: f"{name[:3]}USDT" for name in TieredNetwork.CRYPTO}
    found = evaluated(made.payload(), mapped, per_entity=per_entity, eliminated=out)
    counted = Counter(entity_of(entry.miner.hotkey) for entry in found.ranked)
    del counted[None]
    assert not out & set(weights(found))
    assert sum(weights(found).values()) == pytest.approx(1 if found.ranked else 0)
    if isinstance(per_entity, int) and per_entity:
        assert all(times <= per_entity for times in counted.values())
    assert all(-1 <= opinion.depth <= 1 for opinion in found.opinions.values())


# -- mapped ids


async def test_a_network_without_mapped_ids_is_reported(make_harness: MakeHarness) -> None:
    made = TieredNetwork(miners=60, seed=2, now_ms=NOW_MS)
    d = make_harness(scoring=LOOSE)
    d.upstream.serve(made.payload())
    await d.run(1)
    warning = d.source.status()["warning"]
    assert "empty" not in warning
    assert "qualifies" not in warning
    assert warning.startswith("none of 60 miners trades a mapped id (BTCUSD, ETHUSD); they trade ")
    assert "BTCUSDC" in warning
    assert "[sources.sn8.symbols]" in warning


async def test_a_network_without_qualifying_miners_is_reported(make_harness: MakeHarness) -> None:
    d = make_harness(scoring={**LOOSE, "min_trades": 100})
    d.upstream.serve({hotkey(1): record("a", 0.25)})
    await d.run(1)
    assert d.source.status()["warning"] == "upstream is empty: none of 1 miners qualifies"


async def test_other_asset_classes_are_ignored_silently(make_harness: MakeHarness) -> None:
    made = TieredNetwork(miners=60, seed=2, now_ms=NOW_MS)
    traded = {p["trade_pair"][0] for m in made.miners.values() for p in m["positions"]}
    assert {"GOLDUSDC", "NVDA", "BTCUSDC"} <= traded
    d = make_harness(symbols={"BTCUSDC": "BTCUSDT"}, scoring=LOOSE)
    d.upstream.serve(made.payload())
    await d.run(60)
    status = d.source.status()
    assert not [name for name in status if name.startswith(("left_out", "warning"))]
    assert d.recorder.current.keys() == {"BTCUSDT"}
    assert [event for event in d.recorder.events if event.kind != "clamped"] == []


# -- a pair that changes its id


def renamed(tree: Any, uuid: str, pair: str) -> Any:
    changed = json.loads(json.dumps(tree))
    for found in changed.values():
        for position in found["positions"]:
            if position["position_uuid"] == uuid:
                position["trade_pair"] = ALL_PAIRS[pair][0]
    return changed


async def test_a_pair_may_change_its_id_under_a_position(make_harness: MakeHarness) -> None:
    d = make_harness(symbols={**ASSETS, "BTCUSDC": "BTCUSDT"}, scoring=LOOSE)
    tree = {hotkey(1): record("a", 0.25), hotkey(2): record("b", 0.1, 1.02)}
    d.facts.limits = Limits(PairTable({"BTCUSD": 0.5, "BTCUSDC": 0.5}, {}), {})
    d.upstream.serve(tree)
    await d.run(1)
    before = d.recorder.depths()["BTCUSDT"]
    published = len(d.recorder.published)
    d.upstream.serve(renamed(tree, "a-open", "BTCUSDC"))
    await d.source.cycle()
    assert d.recorder.depths()["BTCUSDT"] == before
    assert len(d.recorder.published) == published, "the same is held under another name"
    names = {p.asset for m in d.source._network.miners for p in m.positions if not p.closed}
    assert names == {"BTCUSD", "BTCUSDC"}


async def test_a_move_to_an_unmapped_id_closes_the_position(make_harness: MakeHarness) -> None:
    d = make_harness(scoring=LOOSE)
    tree = {hotkey(1): record("a", 0.25), hotkey(2): record("b", 0.1, 1.02)}
    d.upstream.serve(tree)
    await d.run(1)
    d.upstream.serve(renamed(tree, "a-open", "BTCUSDC"))
    await d.source.cycle()
    assert float(d.recorder.depths()["BTCUSDT"]) == pytest.approx(0.2 * 2 / 3)
    assert d.recorder.current["BTCUSDT"].detail["cause"] == "miners acted"


# -- orders without leverage


def sized_by_value(uuid: str, value: float | None, quantity: float | None, **more: Any) -> dict[str, Any]:
    kind = "SHORT" if (value or 0) < 0 else "LONG"
    found = order(uuid, 0.0, 0.0, NOW_MS - 5000, kind, value=value, quantity=quantity, **more)
    return {**found, "leverage": None}


def read_one(orders: list[Any], net: float | None = None, size: float | None = 100_000.0) -> tuple[Any, Any]:
    position = held("x", net or 0.5, open_ms=NOW_MS - 5000)
    position.update(orders=orders, net_leverage=net, account_size=size)
    network = PayloadReader().read(json.dumps({hotkey(1): miner([position])}).encode())
    return network.miners[0].positions[0], network.left_out


def test_an_order_without_leverage_is_sized_by_its_value() -> None:
    long, left_out = read_one([sized_by_value("1", 50_000.0, 0.8), sized_by_value("2", 25_000.0, 0.4)])
    assert left_out == {}
    assert long.holding == pytest.approx((0.75, 62_500.0))
    short, _ = read_one([sized_by_value("1", -50_000.0, -0.8)])
    assert short.holding == pytest.approx((-0.5, 62_500.0))
    foreign, _ = read_one([sized_by_value("1", 50_000.0, 500.0, quote_usd_rate=1.25)])
    assert foreign.orders_price == pytest.approx(80.0)
    flat, _ = read_one(
        [sized_by_value("1", 50_000.0, 0.8), {**sized_by_value("2", None, None), "order_type": "FLAT"}]
    )
    assert flat.holding == (0.0, 0.0)


@pytest.mark.parametrize(
    ("value", "quantity", "size"),
    [(50_000.0, 0.8, None), (None, 0.8, 1e5), (50_000.0, None, 1e5), (5e4, 0.0, 1e5)],
)
def test_an_order_without_any_size_is_left_out(value: Any, quantity: Any, size: Any) -> None:
    position, left_out = read_one([sized_by_value("1", value, quantity)], net=0.4, size=size)
    assert left_out == {"orders": 1}
    assert Corrected().stake(position).share == pytest.approx(0.8), "upstream's own net leverage stands"


def test_an_account_that_grows_resizes_such_an_order() -> None:
    reader = PayloadReader()
    found = []
    for size in (100_000.0, 200_000.0):
        position = held("x", 0.5, open_ms=NOW_MS - 5000)
        position.update(orders=[sized_by_value("1", 50_000.0, 0.8)], account_size=size)
        network = reader.read(json.dumps({hotkey(1): miner([position])}).encode())
        found.append(network.miners[0].positions[0].orders_net)
    assert found == pytest.approx([0.5, 0.25])
