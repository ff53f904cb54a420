"""One account is brought to its targets and kept there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import pytest

from te_core.api import Known
from te_core.testing.fake_account import FakeAccount
from tests.engine.worker_harness import WorkerHarness

Open = Callable[..., WorkerHarness]
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


async def test_a_flat_account_with_one_changed_symbol_needs_few_requests(
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
    """So that streams follow their prices, and the first signal of one is not the first to ask for it."""
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


async def test_adopt_takes_them_over(open_harness: Open, account: FakeAccount) -> None:
    account.hold("BTCUSDT", "1")
    harness = open_harness(adopt=True)
    await harness.want("BTCUSDT", "0.5")
    assert account.quantity("BTCUSDT") == D("0.1")


async def test_a_disabled_account_closes_what_the_engine_opened_then_rests(
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


async def test_a_symbol_that_nobody_wishes_for_any_more_is_closed(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5")
    harness.worker.retarget({"BTCUSDT": None, "ETHUSDT": None})
    await harness.go(5)
    assert account.quantity("BTCUSDT") == 0


async def test_a_restart_finds_everything_in_the_journal_and_sends_nothing(
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
    from tests.engine.worker_harness import blend_for

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


async def test_what_was_below_the_minimum_is_opened_when_it_no_longer_is(
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
