"""A read that fails, is old or shows nothing new orders nothing."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from te_core.api import InsufficientMargin, NotReady, OrderReport, OrderRequest, RateLimited
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount, scripted
from tests.engine.worker_harness import Open, fail

D = Decimal


@pytest.mark.parametrize("read", ["positions", "equity", "prices"])
async def test_a_failed_read_orders_nothing(open_harness: Open, account: FakeAccount, read: str) -> None:
    faults = {read: [Fault(refused=NotReady("maintenance"))] * 3}
    harness = open_harness(account=FaultyAccount(account, faults=scripted(faults)))
    await harness.want("BTCUSDT", "0.5", wait=10)
    assert account.requests == []
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.1")
    assert [event.kind for event in harness.events if event.text.startswith(read)] == ["outage", "recovery"]


async def test_a_failed_read_at_target_does_not_count_as_flat(
    open_harness: Open, account: FakeAccount
) -> None:
    faults = {"positions": [None, None, None, *[Fault(refused=NotReady("down"))] * 20]}
    harness = open_harness(account=FaultyAccount(account, faults=scripted(faults)))
    await harness.want("BTCUSDT", "0.5")
    await harness.want("BTCUSDT", "0.6", wait=3600)
    assert account.quantity("BTCUSDT") == D("0.12")
    assert len(account.requests) == 2


async def test_a_stale_position_after_a_fill_orders_nothing_more(
    open_harness: Open, account: FakeAccount
) -> None:
    class ShowsLate(FakeAccount):
        """Reports a fill at once, but shows it in the positions only seconds later."""

        async def place_order(self, order: OrderRequest) -> OrderReport:
            before = dict(self.held)
            report = await super().place_order(order)
            self.after, self.held = dict(self.held), before
            asyncio.get_running_loop().call_later(4, lambda: self.held.update(self.after))
            return report

    late = ShowsLate(account.clock, BTCUSDT="50000")
    harness = open_harness(account=late)
    await harness.want("BTCUSDT", "0.5", wait=60)
    assert len(late.requests) == 1
    assert harness.worker.keepers["BTCUSDT"].confirmed


async def test_a_target_that_arrives_during_a_read_waits_for_the_next(
    open_harness: Open, account: FakeAccount
) -> None:
    slow = FaultyAccount(account, faults=fail(positions=[None, Fault(delay=2)]))
    harness = open_harness(account=slow)
    await harness.go(1)
    harness.worker.wake()
    await harness.go(1)
    assert slow.calls["positions"] == 2
    await harness.want("BTCUSDT", "0.5", wait=3)
    assert account.quantity("BTCUSDT") == D("0.1")
    assert harness.events == []


async def test_a_read_without_news_does_not_end_a_back_off(open_harness: Open, account: FakeAccount) -> None:
    faults = fail(place_order=[Fault(refused=InsufficientMargin("no margin"))] * 9)
    faulty = FaultyAccount(account, faults=faults)
    harness = open_harness(account=faulty)
    await harness.want("BTCUSDT", "0.5", wait=16)
    assert faulty.calls["place_order"] == 3
    faulty.inject("positions", Fault(stale=True))
    harness.worker.wake()
    await harness.go(15)
    assert faulty.calls["place_order"] == 3
    await harness.go(10)
    assert faulty.calls["place_order"] == 4


async def test_retry_after_is_honoured_even_if_new_signals_arrive(
    open_harness: Open, account: FakeAccount
) -> None:
    faulty = FaultyAccount(account)
    harness = open_harness(account=faulty)
    await harness.go(1)
    faulty.inject("positions", *[Fault(refused=RateLimited("slow down", retry_after=20))] * 9)
    for depth in ("0.1", "0.2", "0.3", "0.4", "0.5"):
        await harness.want("BTCUSDT", depth, wait=2)
    assert faulty.calls["positions"] == 2
    await harness.go(12)
    assert faulty.calls["positions"] == 3, "and again when that time is over"


async def test_a_confirming_read_honours_retry_after(open_harness: Open, account: FakeAccount) -> None:
    faulty = FaultyAccount(account)
    harness = open_harness(account=faulty)
    await harness.go(1)
    faulty.inject("positions", None, Fault(refused=RateLimited("slow down", retry_after=6)))
    await harness.want("BTCUSDT", "0.5", wait=5)
    assert faulty.calls["positions"] == 3
    await harness.go(5)
    assert faulty.calls["positions"] == 4
    assert harness.worker.keepers["BTCUSDT"].confirmed
