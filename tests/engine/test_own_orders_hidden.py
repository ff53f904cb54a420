"""A read that does not show our own latest orders yet never counts as the current position (I5, I13)."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from te_core.api import NotReady, OrderReport, OrderRequest, OrderStatus, OutcomeUnknown
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.worker_harness import fail

D = Decimal


async def test_an_order_found_after_a_timeout_is_not_repeated(
    open_harness: Any, account: FakeAccount
) -> None:
    faults = fail(place_order=[Fault(lost=OutcomeUnknown("timeout"), lag=3)])
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.5", wait=30)
    assert [order.quantity for order in account.requests] == [D("0.1")]
    assert harness.worker.keepers["BTCUSDT"].confirmed
    assert {event.kind for event in harness.events} <= {"outage", "recovery"}


class Forgetful(FakeAccount):
    """Accepts orders, fills them late, and does not find them for a while."""

    lost_until = 0.0

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.calls.append("order")
        loop = asyncio.get_running_loop()
        self.lost_until = loop.time() + 40
        loop.call_later(30, self.fill, order)
        return OrderReport(client_order_id=order.client_order_id, status=OrderStatus.OPEN, filled=D(0))

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        found = await super().find_order(symbol, client_order_id)
        return found if asyncio.get_running_loop().time() > self.lost_until else None


async def test_an_accepted_order_that_is_not_found_is_not_sent_again(
    open_harness: Any, clock: VirtualClock
) -> None:
    """An exchange's look-up lags, too: its "not found" does not disprove its own "accepted"."""
    account = Forgetful(clock, BTCUSDT="50000")
    harness = open_harness(account=account)
    await harness.want("BTCUSDT", "0.5", wait=25)
    assert account.calls.count("order") == 1
    assert "does not find an order that it accepted" in harness.worker.keepers["BTCUSDT"].phase.reason
    await harness.go(120)
    assert account.calls.count("order") == 1
    assert harness.worker.keepers["BTCUSDT"].confirmed


async def test_a_repeated_read_after_an_order_proves_nothing(open_harness: Any, account: FakeAccount) -> None:
    faults = fail(
        place_order=[Fault(lost=OutcomeUnknown("timeout"), lag=3)],
        positions=[None, None, None, None, *[Fault(refused=NotReady("down"))] * 2, *[Fault(stale=True)] * 3],
    )
    faulty = FaultyAccount(account, faults=faults)
    harness = open_harness(account=faulty)
    await harness.want("BTCUSDT", "0.5", wait=90)
    assert faulty.calls["positions"] > 9
    assert [order.quantity for order in account.requests] == [D("0.1")]
    assert harness.worker.keepers["BTCUSDT"].confirmed


async def test_a_newer_target_is_not_reached_by_an_old_position(
    open_harness: Any, account: FakeAccount
) -> None:
    faults = fail(place_order=[Fault(lag=3, delay=1), None])
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.5", wait=0.5)
    await harness.want("BTCUSDT", "0.6", wait=30)
    assert [order.quantity for order in account.requests] == [D("0.1"), D("0.02")]


async def test_a_restart_repeats_no_order_that_does_not_show_yet(
    open_harness: Any, account: FakeAccount
) -> None:
    harness = open_harness(account=FaultyAccount(account, faults=fail(place_order=[Fault(lag=3)])))
    await harness.want("BTCUSDT", "0.5", wait=0.2)
    await harness.restart()
    await harness.want("BTCUSDT", "0.5", wait=30)
    assert len(account.requests) == 1
    assert harness.worker.keepers["BTCUSDT"].confirmed


async def test_a_restart_after_a_confirmation_waits_for_nothing(
    open_harness: Any, account: FakeAccount
) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5", wait=1)
    await harness.restart()
    await harness.want("BTCUSDT", "0.2", wait=0.1)
    assert account.quantity("BTCUSDT") == D("0.04")


async def test_a_restart_long_after_the_last_order_waits_for_nothing(
    open_harness: Any, account: FakeAccount
) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5", wait=60)
    await harness.restart()
    await harness.want("BTCUSDT", "0.2", wait=0)
    await harness.go(0.1)
    assert account.quantity("BTCUSDT") == D("0.04")


async def test_a_manual_change_off_our_path_is_seen_at_once(open_harness: Any, account: FakeAccount) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5", wait=1)
    account.hold("BTCUSDT", "0.3")
    harness.worker.wake()
    await harness.go(0.5)
    assert account.quantity("BTCUSDT") == D("0.1")
