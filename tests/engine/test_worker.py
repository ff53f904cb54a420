"""One account is brought to its targets and kept there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from te_core.api import Equity, Known, OrderReport, OrderRequest, Position
from te_core.rules.decision import Status
from te_core.settings.schema import LimitSettings
from te_core.testing.fake_account import FakeAccount
from tests.engine.worker_harness import Open, blend_for

D = Decimal


async def test_a_target_becomes_a_confirmed_position(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5", leverage=2)
    assert account.quantity("BTCUSDT") == D("0.2")
    assert harness.worker.keepers["BTCUSDT"].confirmed
    assert [call for call in account.calls if call == "order"] == ["order"]


async def test_nothing_is_sent_once_at_target(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5", leverage=2)
    account.price["BTCUSDT"] = D(61000)
    account.equity_value = D(15000)
    await harness.go(3600)
    assert account.calls.count("order") == 1


async def test_one_changed_symbol_of_a_flat_account_needs_few_requests(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness()
    await harness.go(1)
    await harness.want("BTCUSDT", "0.5", leverage=2)
    await harness.want("BTCUSDT", "0")
    account.calls.clear()
    await harness.want("BTCUSDT", "0.4", leverage=2)
    order = account.calls.index("order")
    assert sorted(account.calls[:order]) == ["equity", "positions", "prices"]
    assert account.calls[order + 1 :] == ["positions"]


async def test_an_account_gets_to_know_all_symbols_when_it_connects(
    open_harness: Open, account: FakeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that streams follow their prices, and the first signal of a symbol does not have to request it."""
    asked: list[list[str]] = []
    prices = account.prices

    async def noting(symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        asked.append(list(symbols))
        return await prices(symbols)

    monkeypatch.setattr(account, "prices", noting)
    harness = open_harness(symbols=("BTCUSDT", "ETHUSDT"))
    await harness.go(1)
    assert asked == [["BTCUSDT", "ETHUSDT"]]
    account.calls.clear()
    await harness.want("ETHUSDT", "0.1")
    assert asked[1:] == [["ETHUSDT"]], "and later only what is wanted"
    assert "instruments" not in account.calls
    harness.configure(symbols=("BTCUSDT", "ETHUSDT", "SOLUSDT"))
    await harness.go(1)
    assert asked[2:] == [["ETHUSDT", "BTCUSDT", "SOLUSDT"]]
    await harness.restart()
    await harness.go(1)
    assert asked[3:] == [["ETHUSDT", "BTCUSDT", "SOLUSDT"]], "a new connection knows nothing"


async def test_a_flip_closes_with_reduce_only_before_it_opens(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5")
    await harness.want("BTCUSDT", "-0.25")
    assert account.quantity("BTCUSDT") == D("-0.05")
    close, reopen = account.requests[-2:]
    assert (close.reduce_only, close.quantity) == (True, D("0.1"))
    assert (reopen.reduce_only, reopen.quantity) == (False, D("0.05"))


async def test_growing_and_shrinking_send_only_the_difference(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.2")
    await harness.want("BTCUSDT", "0.5")
    await harness.want("BTCUSDT", "0.3")
    assert [(o.quantity, o.reduce_only) for o in account.requests] == [
        (D("0.04"), False),
        (D("0.06"), False),
        (D("0.04"), True),
    ]


async def test_drift_is_healed_with_new_order_ids(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness(drift="heal")
    await harness.want("BTCUSDT", "0.5")
    account.hold("BTCUSDT", "0.03")
    await harness.go(31)
    assert account.quantity("BTCUSDT") == D("0.1")
    account.hold("BTCUSDT", "0")
    await harness.go(31)
    assert account.quantity("BTCUSDT") == D("0.1")
    assert [event.kind for event in harness.events].count("drift") == 2
    assert len(account.orders) == 3


async def test_drift_is_only_reported_when_asked_to(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness(drift="alert")
    await harness.want("BTCUSDT", "0.5")
    account.hold("BTCUSDT", "0.03")
    await harness.go(300)
    assert account.quantity("BTCUSDT") == D("0.03")
    assert [event.kind for event in harness.events] == ["drift"]
    await harness.want("BTCUSDT", "0.2")
    assert account.quantity("BTCUSDT") == D("0.04")


async def test_positions_the_engine_never_opened_are_left_alone(
    open_harness: Open, account: FakeAccount
) -> None:
    account.hold("ETHUSDT", "3")
    account.hold("BTCUSDT", "1")
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5")
    await harness.go(100)
    assert account.quantity("BTCUSDT") == D(1)
    assert harness.worker.keepers["BTCUSDT"].status == "blocked"
    assert "adopt" in harness.worker.keepers["BTCUSDT"].reason
    assert harness.worker.foreign == {"BTCUSDT": D(1), "ETHUSDT": D(3)}
    assert account.requests == []


async def test_adopt_adopts_them(open_harness: Open, account: FakeAccount) -> None:
    account.hold("BTCUSDT", "1")
    harness = open_harness(adopt=True)
    await harness.want("BTCUSDT", "0.5")
    assert account.quantity("BTCUSDT") == D("0.1")


async def test_a_disabled_account_closes_its_positions_and_then_rests(
    open_harness: Open, account: FakeAccount
) -> None:
    account.hold("ETHUSDT", "3")
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5")
    harness.configure(enabled=False)
    await harness.go(5)
    assert account.quantity("BTCUSDT") == 0
    assert account.quantity("ETHUSDT") == D(3)
    assert account.requests[-1].reduce_only
    account.calls.clear()
    await harness.want("BTCUSDT", "0.7", wait=600)
    assert account.calls == []


async def test_enabling_it_again_returns_to_the_target(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5")
    harness.configure(enabled=False)
    await harness.go(5)
    harness.configure()
    await harness.go(5)
    assert account.quantity("BTCUSDT") == D("0.1")


async def test_a_symbol_without_a_target_is_closed(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5")
    harness.worker.retarget({"BTCUSDT": None, "ETHUSDT": None})
    await harness.go(5)
    assert account.quantity("BTCUSDT") == 0


async def test_a_restart_finds_all_in_the_journal_and_sends_nothing(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5")
    await harness.restart()
    await harness.want("BTCUSDT", "0.5", wait=120)
    assert len(account.requests) == 1
    assert harness.worker.keepers["BTCUSDT"].confirmed


async def test_many_symbols_progress_concurrently_from_one_snapshot(
    open_harness: Open, account: FakeAccount
) -> None:
    names = [f"C{index:02}USDT" for index in range(20)]
    account.price.update({name: D(10) for name in names})
    harness = open_harness()
    await harness.go(1)
    account.calls.clear()
    harness.worker.retarget({name: blend_for(name, "0.01") for name in names})
    await harness.go(1)
    assert all(account.quantity(name) == D(10) for name in names)
    assert account.calls.count("equity") == 1
    assert account.calls.count("positions") <= 3
    assert account.calls.count("order") == 20


async def test_leverage_is_set_only_when_it_differs(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.1", leverage=3)
    await harness.want("BTCUSDT", "0.2", leverage=3)
    await harness.want("BTCUSDT", "0.2", leverage=5)
    assert [call for call in account.calls if call.startswith("leverage")] == ["leverage 3", "leverage 5"]


async def test_sizes_follow_the_market_only_within_a_band_when_asked(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(rebalance="band", band=D("0.1"))
    await harness.want("BTCUSDT", "0.5")
    account.equity_value = D(10500)
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.1")
    account.equity_value = D(12000)
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.12")


async def test_what_was_below_the_minimum_is_opened_when_possible(
    open_harness: Open, account: FakeAccount
) -> None:
    account.equity_value = D(10)
    harness = open_harness(rebalance="band", band=D("0.1"))
    await harness.want("BTCUSDT", "0.5", wait=60)
    assert (account.requests, harness.worker.keepers["BTCUSDT"].confirmed) == ([], True)
    account.equity_value = D(10000)
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.1")
    await harness.want("BTCUSDT", "0", wait=3600)
    assert harness.worker.keepers["BTCUSDT"].target.revision == 3  # type: ignore[union-attr]


async def test_a_settings_change_of_the_leverage_override_acts(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.1", leverage=3)
    harness.configure(leverage=5)
    await harness.go(2)
    assert account.quantity("BTCUSDT") == D("0.1")
    assert account.held["BTCUSDT"].leverage == 5


async def test_a_leverage_changed_by_hand_is_restored(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5", leverage=3)
    for leverage in (D(20), D(1)):
        account.held["BTCUSDT"] = replace(account.held["BTCUSDT"], leverage=leverage)
        await harness.go(35)
        assert account.held["BTCUSDT"].leverage == 3
    assert [event.kind for event in harness.events] == ["drift", "drift"]
    assert f"leverage is {leverage} instead of 3" in harness.events[-1].text
    assert len(account.requests) == 1
    harness.configure(drift="alert")
    account.held["BTCUSDT"] = replace(account.held["BTCUSDT"], leverage=D(7))
    await harness.go(90)
    assert account.held["BTCUSDT"].leverage == 7
    assert len(harness.events) == 3
    assert harness.worker.keepers["BTCUSDT"].status is Status.DRIFT


async def test_a_leverage_that_never_shows_is_not_set_without_end(
    open_harness: Open, account: FakeAccount
) -> None:
    class ShowsAnother(FakeAccount):
        async def positions(self) -> Known[Mapping[str, Position]]:
            shown = await super().positions()
            return replace(shown, value={s: replace(p, leverage=D("2.9")) for s, p in shown.value.items()})

    other = ShowsAnother(account.clock, BTCUSDT="50000")
    harness = open_harness(account=other)
    await harness.want("BTCUSDT", "0.5", leverage=3, wait=3600)
    state = harness.worker.keepers["BTCUSDT"]
    assert other.calls.count("leverage 3") == 2
    assert (state.status, state.confirmed) == (Status.AT_TARGET, True)
    assert state.reason == "leverage is 2.9 instead of 3; it was set, but the exchange does not show it"
    await harness.want("BTCUSDT", "0.5", leverage=4, wait=3600)
    assert other.calls.count("leverage 4") == 2


async def test_a_newer_target_replaces_the_older_between_chunks(
    open_harness: Open, account: FakeAccount
) -> None:
    class Slow(FakeAccount):
        async def place_order(self, order: OrderRequest) -> OrderReport:
            await asyncio.sleep(1)
            return await super().place_order(order)

    slow = Slow(account.clock, BTCUSDT="50000")
    harness = open_harness(account=slow, limits=LimitSettings(order_notional=D(500)))
    await harness.want("BTCUSDT", "0.5", wait=3.5)
    assert len(slow.requests) == 3
    await harness.want("BTCUSDT", "0.1", wait=30)
    assert slow.quantity("BTCUSDT") == D("0.02")
    assert "unsent" in harness.outcomes().values()
    assert all(order.quantity <= D("0.01") for order in slow.requests)
    assert [order.reduce_only for order in slow.requests] == [False] * 4 + [True] * 2


async def test_reductions_go_first_when_margin_is_short(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "1")

    async def short() -> Known[Equity]:
        return Known(value=Equity(wallet=D(10000), total=D(10000), free=D(0)), as_of=account.clock.now())

    account.equity = short  # type: ignore[method-assign]
    harness.worker.retarget({"ETHUSDT": blend_for("ETHUSDT", "0.5"), "BTCUSDT": blend_for("BTCUSDT", "0.5")})
    await harness.go(5)
    assert [order.symbol for order in account.requests[1:]] == ["BTCUSDT", "ETHUSDT"]


async def test_a_wall_clock_that_steps_back_stops_nobody(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5")
    harness.clock.shift = timedelta(hours=-1)
    await harness.want("BTCUSDT", "0.3", wait=5)
    assert account.quantity("BTCUSDT") == D("0.06")
    assert harness.worker.keepers["BTCUSDT"].confirmed
