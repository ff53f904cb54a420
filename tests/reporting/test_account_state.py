"""What the state reports about an account: what is known, how old that is, and what fails, in a few words."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.api import Equity, Known, NotReady, OrderRejected, QuarantinedInput
from te_core.reporting.account_state import cause
from te_core.reporting.view import view
from te_core.rules.day_count import DayCount
from te_core.testing.faults import Fault
from tests.engine.scene import scene

D = Decimal
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("MEXC: the exchange cannot be reached (mexc GET http://x/y)", "the exchange cannot be reached"),
        ("KuCoin: positions: maintenance (503, {…})", "maintenance"),
        ("Gate.io: account: the key is refused (INVALID_KEY)", "the key is refused"),
        ("Cannot connect to host x:95 ssl:default [Connect call failed", "Cannot connect to host x:95 ssl:default"),
        ("no answer within 10 s", "no answer within 10 s"),
        ("(nothing else)", "(nothing else)"),
        ("not connected within 60 s", "not connected within 60 s"),
    ],
)  # fmt: skip
def test_a_reason_comes_to_a_few_words(reason: str, short: str) -> None:
    assert cause(reason) == short


async def test_the_state_shows_what_is_known_and_how_old_it_is(tmp_path: Path) -> None:
    limits = {"account_exposure": 20_000, "symbol_share": 2, "leverage": 3}
    async with scene(tmp_path, limits=limits) as world:
        await world.say("0.5", wait=40)
        whole = world.whole_state()
        one = whole["accounts"]["one"]
        assert (one["paper"], one["currency"], one["trouble"], one["unready"]) == (False, "USDT", None, "")
        assert {key: one["read"]["equity"][key] for key in ("wallet", "total")} == {
            "wallet": "10000",
            "total": "10000",
        }
        for kind in ("positions", "equity", "prices"):
            read = one["read"][kind]
            assert read["unknown"] is None
            assert 0 <= read["age"] <= 30
            assert read["as_of"] < whole["engine"]["now"]
        assert one["prices"]["BTCUSDT"] == "50000"
        held = one["positions"]["BTCUSDT"]
        assert held["size"] == "0.1"
        assert {"unrealised_pnl", "liquidation_price", "leverage", "margin_mode"} <= held.keys()
        target = one["targets"]["BTCUSDT"]
        assert target["since"] < whole["engine"]["now"]
        assert target["last_order_at"] <= target["since"]
        assert target["limited_by"] is target["last_confirmed"] is None
        shown = {(row["name"], row["symbol"]): row for row in whole["limits"]}
        assert shown["account_exposure", ""] | {"account": ""} == {
            "name": "account_exposure", "account": "", "symbol": "", "now": "5000", "limit": "20000", "used": 0.25,
        }  # fmt: skip
        assert shown["symbol_share", "BTCUSDT"]["limit"] == "20000", "in money"
        assert (shown["leverage", ""]["now"], shown["leverage", ""]["used"]) == (None, None)


async def test_a_failure_is_reported_once_and_by_its_reads(tmp_path: Path) -> None:
    async with scene(tmp_path, streams=True) as world:
        await world.say("0.5", wait=40)
        broken = Fault(refused=NotReady("Fake: equity: the exchange cannot be reached (GET http://x)"))
        world.connection().faults = lambda method, _: (
            broken if method in ("equity", "positions", "watch") else None
        )
        world.exchange().feeds = ()
        await asyncio.sleep(200)
        one = world.state()
        assert one["status"] == "unreadable"
        assert one["trouble"]["cause"] == "the exchange cannot be reached"
        assert one["trouble"]["since"] is not None
        assert "equity: equity" not in one["reason"]
        assert one["reason"].count("the exchange cannot be reached") <= 2
        assert one["read"]["equity"]["total"] == "10000", "as last seen"
        assert one["read"]["positions"]["unknown"]


async def test_margin_is_unknown_while_equity_predates_an_order(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, streams=True) as world:
        exchange = world.exchange()
        total = D(10_000)

        async def equity() -> Known[Equity]:
            await asyncio.sleep(5 if exchange.held else 0)
            used = sum(
                (abs(one.quantity) * exchange.price[name] for name, one in exchange.held.items()), D(0)
            )
            return Known(
                value=Equity(wallet=total, total=total, free=total - used), as_of=exchange.clock.now()
            )

        exchange.equity = equity  # type: ignore[method-assign]
        await asyncio.sleep(40)
        assert view(world.whole_state()).accounts[0].margin == 0, "nothing is held"
        await world.say("0.5", wait=1)
        assert world.held() == D("0.1")
        seen = view(world.whole_state())
        (row,), (sums,) = seen.accounts, seen.totals
        assert (row.equity, row.free, row.margin) == (total, None, None)
        assert row.free_unknown == "read before its newest order"
        assert (sums.margin, sums.without_free) == (None, (("one", row.free_unknown),))
        await asyncio.sleep(40)
        seen = view(world.whole_state())
        (row,), (sums,) = seen.accounts, seen.totals
        assert (row.free, row.margin, row.free_unknown) == (D(5_000), D("0.5"), "")
        assert (sums.margin, sums.without_free) == (D("0.5"), ())


async def test_refusals_are_counted_for_a_day_and_over_a_restart(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        refused = Fault(refused=OrderRejected("margin is short", code="110007"))
        world.connection().faults = lambda method, _: refused if method == "place_order" else None
        await world.say("0.5", wait=20)
        orders = world.state()["rejected_24h"]
        assert orders >= 2
        body = QuarantinedInput(
            source="", field="size", reason="no number", body="x", received_at=world.clock.now()
        )
        for _ in range(3):
            world.sources["tv"].quarantine(body)
        assert world.whole_state()["sources"]["tv"]["refused_24h"] == 3
        world.connection().faults = lambda method, _: None
        await asyncio.sleep(60)
        seen = view(world.whole_state())
        assert (seen.sources[0].refused, seen.accounts[0].rejected >= orders) == (3, True)
        await world.restart()
        again = view(world.whole_state())
        assert (again.sources[0].refused, again.accounts[0].rejected) == (3, seen.accounts[0].rejected)
        await asyncio.sleep(24 * 3600 + 700)
        later = view(world.whole_state())
        assert (later.sources[0].refused, later.accounts[0].rejected) == (0, 0)


@given(
    st.lists(st.integers(min_value=0, max_value=200_000).map(lambda s: START + timedelta(seconds=s))),
    st.integers(min_value=0, max_value=200_000).map(lambda s: START + timedelta(seconds=s)),
)
def test_a_count_of_a_day_is_right_to_ten_minutes_and_bounded(times: list[datetime], now: datetime) -> None:
    counted = DayCount()
    for at in sorted(times):
        counted = counted.adding(at)
    assert len(counted.spans) <= 146
    newest = max((*times, now))
    exact = sum(newest - timedelta(days=1) < at for at in times)
    most = sum(newest - timedelta(days=1, minutes=10) < at for at in times)
    assert exact <= counted.within_a_day(newest) <= most
    assert DayCount.of(times).within_a_day(newest) == counted.within_a_day(newest)
