"""Depths as shares of what an account may hold: by tier, by the operator's limit, or by the served one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from te_core.testing.virtual_clock import START
from te_emulators.bittensor import tiers
from te_emulators.bittensor.network import ALL_PAIRS, MadeNetwork, TieredNetwork
from te_signals_bittensor.commands import commands
from te_signals_bittensor.corrected import Corrected
from te_signals_bittensor.evaluation import Evaluation, Terms, evaluate
from te_signals_bittensor.limits import SERVED, Account, Limits, PairTable
from te_signals_bittensor.network import Position
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.payload import PayloadReader
from te_signals_bittensor.record_parsing import parse_position
from te_signals_bittensor.route_parsing import parse_accounts, parse_eliminations, parse_trade_pairs
from tests.bittensor.records import NOW_MS, closed, held, hotkey, miner
from tests.bittensor.slow_parity import depths

MakeHarness = Callable[..., Any]
MAPPED = {"BTCUSDC": "BTCUSDT", "ETHUSDC": "ETHUSDT", "ADAUSDC": "ADAUSDT"}
LOOSE = Parameters.model_validate(
    {"min_trades": 1, "min_profitable_rate": 0, "max_drawdown_threshold": -1, "min_total_return": -1}
)
PAIRS = parse_trade_pairs(MadeNetwork(miners=1, seed=1, now_ms=NOW_MS).trade_pairs())
NOTHING_KNOWN = Limits(PairTable({}, {}), {})
SUBACCOUNT = f"{hotkey(7)}_3"


def position(net: float, asset: str = "BTCUSDC", **more: Any) -> Position:
    record = held("p", net, open_ms=NOW_MS - 1000, trade_pair=ALL_PAIRS[asset][0], **more)
    return parse_position(record, left_out={})  # type: ignore[arg-type]  # nothing is left out


def limits(account: Account | None = None, name: str = SUBACCOUNT, **own: float) -> Limits:
    return Limits(PairTable(own, PAIRS), {} if account is None else {name: account})


def share(found: Limits, held_position: Position, name: str = SUBACCOUNT) -> float:
    limit = found.of(name).on(held_position)
    return Corrected().stake(held_position._replace(max_leverage=limit.value)).share


def standard(tier: int | None, bucket: str = "SUBACCOUNT_FUNDED", size: float = 100_000) -> Account:
    return Account(size=size, bucket=bucket, tier=tier, states_tier=True)


@pytest.mark.parametrize(("net", "depth"), [(1.0, 0.4), (1.5, 0.6), (2.0, 0.8), (2.5, 1.0), (-1.0, -0.4)])
def test_a_depth_is_a_share_of_the_tier(net: float, depth: float) -> None:
    assert share(limits(standard(3)), position(net)) == pytest.approx(depth)
    assert abs(share(NOTHING_KNOWN, position(net))) == 1


@pytest.mark.parametrize(("size", "limit"), [(1e5, 1.0), (2e5, 1.5), (999_999, 1.5), (1e6, 2.0)])
def test_a_miners_own_account_is_limited_by_its_size(size: float, limit: float) -> None:
    stated, served = limits(Account(size=size, bucket="MAINCOMP"), hotkey(1)), limits()
    assert stated.of(hotkey(1)).on(position(0.5)).value == limit
    assert served.of(hotkey(1)).on(position(0.5, account_size=size)).value == limit


@pytest.mark.parametrize(("tier", "major", "other"), [(1, 1.5, 0.5), (2, 2.0, 0.75), (3, 2.5, 1.0)])
def test_a_subaccount_is_limited_by_its_tier(tier: int, major: float, other: float) -> None:
    found = limits(standard(tier, size=5e6)).of(SUBACCOUNT)
    assert found.on(position(0.1)).value == major
    assert found.on(position(0.1, "ADAUSDC")).value == other


@pytest.mark.parametrize(
    ("account", "asset", "limit", "basis"),
    [
        (standard(None), "BTCUSDC", 1.5, "tier -2"),
        (standard(None), "ADAUSDC", 1.0, "tier -2"),
        (standard(None, "SUBACCOUNT_CHALLENGE"), "ADAUSDC", 0.5, "tier -1"),
        (standard(None, size=3e5), "ADAUSDC", 1.5, "tier -3"),
        (
            Account(size=1e5, hyperliquid=True, bucket="SUBACCOUNT_FUNDED"),
            "BTCUSDC",
            1.0,
            "tier 2 by account size",
        ),
        (
            Account(size=1e5, hyperliquid=True, bucket="SUBACCOUNT_CHALLENGE"),
            "BTCUSDC",
            0.5,
            "tier 1 by account size",
        ),
        (standard(2, "PRO_FUNDED"), "BTCUSDC", 5.0, "pro account"),
        (standard(2, "SUBACCOUNT_PRO_CHALLENGE"), "BTCUSDC", 5.0, "pro account"),
        (standard(2, "PRO_CHALLENGE_TRANSITION"), "BTCUSDC", 2.0, "tier 2"),
        (None, "BTCUSDC", 2.5, "highest tier, 3"),
        (Account(size=1e5), "ADAUSDC", 1.0, "highest tier, 3"),
    ],
)
def test_every_kind_of_subaccount_has_its_limit(
    account: Account | None, asset: str, limit: float, basis: str
) -> None:
    found = limits(account).of(SUBACCOUNT).on(position(0.1, asset))
    assert found.value == pytest.approx(limit)
    assert found.basis == basis


def test_the_operators_limit_overrides_the_tier() -> None:
    found = limits(standard(3), BTCUSDC=5.0)
    assert share(found, position(2.5)) == pytest.approx(0.5)
    assert found.of(SUBACCOUNT).on(position(0.1, "ETHUSDC")).value == 2.5


@pytest.mark.parametrize("pairs", [{}, {"ETHUSDC": PAIRS["ETHUSDC"]}])
def test_without_a_tier_the_served_limit_counts(pairs: Any) -> None:
    unknown = Limits(PairTable({}, pairs), {})
    assert unknown.of(hotkey(1)).on(position(0.5)) == (1.0, SERVED)
    assert limits().of(hotkey(1)).on(position(0.5)) == (1.0, SERVED), "its size is not stated"


def test_trade_pairs_of_older_servers_have_no_tiers() -> None:
    assert parse_trade_pairs(MadeNetwork(miners=1, seed=1, now_ms=NOW_MS).trade_pairs(tiered=False)) == {}
    only_by_size = {
        "allowed": [{"trade_pair_id": "X", "subaccount_positional_leverage_by_tier": {"2": 1, "3": "?"}}]
    }
    assert parse_trade_pairs(only_by_size)["X"].by_size == {"2": 1.0}
    shapes: list[Any] = [[], {}, {"allowed": None}]
    for body in shapes:
        with pytest.raises(ValueError, match="allowed"):
            parse_trade_pairs(body)


def test_accounts_of_older_servers_state_a_size_only() -> None:
    records = [{"account_size": 5000.0, "update_time_ms": 1}, {"account_size": 9000.0, "update_time_ms": 2}]
    found = parse_accounts({"data": {hotkey(1): records, hotkey(2): [], hotkey(3): {"cash_balance": 1}}})
    assert found == {hotkey(1): Account(size=9000.0)}
    newer = parse_accounts(
        {"data": {"a": [records[0], tiers.account("a", size=7.0, bucket="MAINCOMP", tier=2)]}}
    )
    assert newer["a"] == Account(size=7.0, bucket="MAINCOMP", tier=2, states_tier=True)
    with pytest.raises(ValueError, match="data"):
        parse_accounts({"error": "x"})


def test_eliminations_are_parsed_in_both_shapes() -> None:
    rows = [{"hotkey": "a", "reason": "LIQUIDATED", "dd": 0.1}, {"reason": "?"}, "?"]
    assert parse_eliminations({"eliminations": rows}) == parse_eliminations(rows) == {"a"}
    with pytest.raises(ValueError, match="eliminations"):
        parse_eliminations({})


# -- a whole network


def tiered(seed: int = 4, miners: int = 60) -> TieredNetwork:
    return TieredNetwork(miners=miners, seed=seed, now_ms=NOW_MS, orders=60)


def evaluated(made: MadeNetwork, terms: Terms) -> Evaluation:
    return evaluate(
        PayloadReader().read(json.dumps(made.payload()).encode()),
        Corrected(),
        assets=MAPPED,
        parameters=LOOSE,
        now=START,
        terms=terms,
    )


def known(made: MadeNetwork, **own: float) -> Limits:
    return Limits(PairTable(own, parse_trade_pairs(made.trade_pairs())), parse_accounts(made.collateral()))


@pytest.mark.parametrize("seed", range(5))
def test_every_account_counts_by_the_share_it_uses(seed: int) -> None:
    made = tiered(seed)
    found = evaluated(made, Terms(limits=known(made)))
    held_shares = {
        (name, asset): found.holdings[MAPPED[asset]][name] for name, asset in made.used if asset in MAPPED
    }
    assert len(held_shares) > 20
    assert held_shares == pytest.approx({key: made.used[key] for key in held_shares})
    assert found.clamped == ()


async def test_parity_ignores_limits_and_eliminations(make_harness: MakeHarness) -> None:
    made = tiered()
    d = make_harness(symbols=MAPPED, strategy="parity", scoring=LOOSE.model_dump())
    d.facts.limits, d.facts.eliminated = known(made), tuple(made.miners)
    d.facts.waiting = "everything"
    d.upstream.serve(made.payload())
    await d.run(1)
    expected, _, ranking = depths(made.payload(), MAPPED, NOW_MS, **LOOSE.model_dump())
    assert len(ranking) > 10
    assert {symbol: float(depth) for symbol, depth in d.recorder.depths().items()} == pytest.approx(expected)
    assert d.facts.idle == []


def full_and_cut(net: float) -> dict[str, Any]:
    factors = [1.01] * 12
    done = [closed(f"c{i}", f, open_ms=NOW_MS - (20 - i) * 3_600_000) for i, f in enumerate(factors)]
    pair = ALL_PAIRS["BTCUSDC"][0]
    for record in done:
        record["trade_pair"] = pair
    return {SUBACCOUNT: miner([*done, held("p", net, open_ms=NOW_MS - 5000, trade_pair=pair)])}


async def test_a_reduction_from_the_limit_reduces_the_depth_as_much(make_harness: MakeHarness) -> None:
    d = make_harness(symbols=MAPPED)
    d.facts.limits = limits(standard(3))
    d.upstream.serve(full_and_cut(2.5))
    await d.run(1)
    assert d.recorder.depths()["BTCUSDT"] == 1
    d.upstream.serve(full_and_cut(1.0))
    await d.source.cycle()
    assert float(d.recorder.depths()["BTCUSDT"]) == pytest.approx(0.4)
    assert d.recorder.events == []


async def test_a_clamped_position_is_counted_shown_and_recorded_once(make_harness: MakeHarness) -> None:
    d = make_harness(symbols=MAPPED)
    d.upstream.serve(full_and_cut(2.5))
    await d.run(60)
    d.upstream.serve(full_and_cut(2.4))
    await d.source.cycle()
    assert [event.kind for event in d.recorder.events] == ["clamped"]
    assert "1 positions on BTCUSDC" in d.recorder.events[0].text
    assert "2.5 of 1" in d.recorder.events[0].text
    assert "max_leverage" in d.recorder.events[0].text
    assert d.source.status()["clamped"] == 1

    class Context:
        def sources(self) -> Any:
            return {"sn8": None}

        def report(self, _: str) -> Any:
            return json.loads(json.dumps(d.source.report()))

    shown = CliRunner().invoke(commands(Context()), ["miners"]).stdout
    assert "1 positions exceed their limit" in shown
    assert "BTCUSDT 1* (2.4 of 1)" in shown

    d.facts.limits, d.facts.changed = limits(standard(3)), True
    await d.source.cycle()
    assert d.recorder.current["BTCUSDT"].detail["cause"] == "limits or accounts changed"
    assert float(d.recorder.depths()["BTCUSDT"]) == pytest.approx(0.96)
    assert d.source.status()["clamped"] == 0
    assert "exceed their limit" not in CliRunner().invoke(commands(Context()), ["miners"]).stdout


async def test_an_account_that_grew_is_clamped_without_an_event(make_harness: MakeHarness) -> None:
    d = make_harness(symbols=MAPPED)
    d.facts.limits = limits(standard(3))
    d.upstream.serve(full_and_cut(2.6))
    await d.run(1)
    assert d.source.status()["clamped"] == 1
    assert d.recorder.events == []


async def test_signals_wait_for_limits_that_may_still_arrive(make_harness: MakeHarness) -> None:
    d = make_harness(symbols=MAPPED)
    d.facts.waiting = "/trade-pairs: HTTP 503; signals wait"
    d.upstream.serve(full_and_cut(2.5))
    await d.run(60)
    assert d.recorder.published == []
    assert d.source.status()["warning"] == "/trade-pairs: HTTP 503; signals wait"
    assert [event.kind for event in d.recorder.events] == ["outage"]
    d.facts.waiting, d.facts.limits, d.facts.changed = "", limits(standard(3)), True
    await d.source.cycle()
    assert d.recorder.depths()["BTCUSDT"] == 1
    assert [event.kind for event in d.recorder.events] == ["outage", "recovery"]
