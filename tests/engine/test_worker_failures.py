"""What fails is tried again after a pause, and a symbol that fails stops no other."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from te_core.api import (
    AuthError,
    InsufficientMargin,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    RateLimited,
)
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount, no_faults
from tests.engine.worker_harness import Open, blend_for, fail

D = Decimal


async def test_a_new_target_ends_the_back_off_of_a_rejected_order(
    open_harness: Open, account: FakeAccount
) -> None:
    faults = fail(place_order=[Fault(refused=InsufficientMargin("no margin"))] * 3)
    faulty = FaultyAccount(account, faults=faults)
    harness = open_harness(account=faulty)
    await harness.want("BTCUSDT", "0.5", wait=1)
    await harness.go(4.5 + 10.5)
    assert faulty.calls["place_order"] == 3
    await harness.go(19)
    assert account.requests == []
    await harness.want("BTCUSDT", "0.4")
    assert account.quantity("BTCUSDT") == D("0.08")
    kinds = [event.kind for event in harness.events]
    assert kinds == ["outage", "recovery"]


async def test_reductions_are_tried_again_sooner_than_increases(
    open_harness: Open, account: FakeAccount
) -> None:
    faults = fail(place_order=[None, *[Fault(refused=NotReady("busy"))] * 5])
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.5")
    await harness.want("BTCUSDT", "0", wait=1 + 2 + 4 + 8 + 16 + 1)
    assert account.quantity("BTCUSDT") == 0


@pytest.mark.parametrize("depth", ["0", "0.4"])
async def test_an_unreachable_exchange_is_polled_at_intervals(
    open_harness: Open, account: FakeAccount, depth: str
) -> None:
    """Reads are not repeated without pause while an order waits for its next attempt."""
    faulty = FaultyAccount(account)
    harness = open_harness(account=faulty)
    await harness.want("BTCUSDT", "0.5")
    await harness.want("ETHUSDT", "0.1")
    reads = faulty.calls["positions"]
    faulty.faults = lambda method, call: Fault(refused=NotReady("cannot be reached"))
    harness.worker.retarget({"ETHUSDT": blend_for("ETHUSDT", depth), "BTCUSDT": blend_for("BTCUSDT", depth)})
    faulty.inject("positions", None)
    faulty.inject("equity", None)
    faulty.inject("prices", None)
    await harness.go(120)
    assert faulty.calls["place_order"] > 2
    assert faulty.calls["positions"] - reads < 40
    faulty.faults = no_faults
    await harness.go(5.1 if depth == "0" else 30)
    assert account.quantity("BTCUSDT") == D(depth) * 10000 / 50000


async def test_one_symbol_that_hangs_delays_no_other(open_harness: Open, account: FakeAccount) -> None:
    class Hangs(FakeAccount):
        async def place_order(self, order: OrderRequest) -> OrderReport:
            if order.symbol == "BTCUSDT":
                await asyncio.Event().wait()
            return await super().place_order(order)

    hanging = Hangs(account.clock, BTCUSDT="50000", ETHUSDT="2500")
    harness = open_harness(account=hanging)
    await harness.want("BTCUSDT", "0.5")
    await harness.want("ETHUSDT", "0.5", wait=0.1)
    assert hanging.quantity("ETHUSDT") == 2


async def test_a_defect_of_the_plugin_stays_with_its_symbol(open_harness: Open, account: FakeAccount) -> None:
    class Broken(FakeAccount):
        async def place_order(self, order: OrderRequest) -> OrderReport:
            if order.symbol == "BTCUSDT" and len(self.calls) < 30:
                self.calls.append("order")
                raise KeyError("surprise")
            return await super().place_order(order)

    broken = Broken(account.clock, BTCUSDT="50000", ETHUSDT="2500")
    harness = open_harness(account=broken)
    harness.worker.retarget({s: blend_for(s, "0.5") for s in ("BTCUSDT", "ETHUSDT")})
    await harness.go(5)
    assert broken.quantity("ETHUSDT") == 2
    await harness.go(200)
    assert broken.quantity("BTCUSDT") == D("0.1")
    assert not harness.task.done()


async def test_credentials_refused_for_one_symbol_hold_that_symbol(
    open_harness: Open, account: FakeAccount
) -> None:
    """A key may be allowed some symbols only: the others trade on, and this one is retried at growing intervals."""
    faults = fail(place_order=[Fault(refused=AuthError("not permitted"))] * 3)
    faulty = FaultyAccount(account, faults=faults)
    harness = open_harness(account=faulty)
    await harness.want("BTCUSDT", "0.5", wait=5)
    await harness.want("ETHUSDT", "0.1", wait=5)
    keeper = harness.worker.keepers["BTCUSDT"]
    assert (keeper.status, keeper.reason) == ("waiting", "not permitted")
    assert keeper.phase.retry.startswith("retrying after 60 s; the pause grows to 3600 s at most")
    await harness.go(60 + 120 + 240)
    assert faulty.calls["place_order"] == 4 + 1
    assert (account.quantity("BTCUSDT"), account.quantity("ETHUSDT")) == (D("0.1"), D("0.4"))


async def test_credentials_refused_for_a_read_stop_all_orders(
    open_harness: Open, account: FakeAccount
) -> None:
    faulty = FaultyAccount(
        account, faults=fail(positions=[None, None, Fault(refused=AuthError("key revoked"))])
    )
    harness = open_harness(account=faulty)
    await harness.want("BTCUSDT", "0.5", wait=5)
    with pytest.raises(AuthError):
        await harness.go(40)


async def test_a_rate_limit_pauses_the_whole_account(open_harness: Open, account: FakeAccount) -> None:
    faults = fail(place_order=[Fault(refused=RateLimited("slow down", retry_after=20))])
    faulty = FaultyAccount(account, faults=faults)
    harness = open_harness(account=faulty)
    await harness.want("BTCUSDT", "0.5", wait=1)
    reads = faulty.calls["positions"]
    await harness.want("ETHUSDT", "0.5", wait=15)
    assert faulty.calls["positions"] == reads
    await harness.go(10)
    assert (account.quantity("BTCUSDT"), account.quantity("ETHUSDT")) == (D("0.1"), D(2))


async def test_a_rejected_order_is_reported_with_its_reason(open_harness: Open, account: FakeAccount) -> None:
    faults = fail(place_order=[Fault(refused=OrderRejected("price band", code="300011"))])
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.5", wait=1)
    assert "300011" in harness.worker.keepers["BTCUSDT"].reason


async def test_a_symbol_that_waits_says_what_for(open_harness: Open, account: FakeAccount) -> None:
    faults = fail(place_order=[Fault(refused=InsufficientMargin("no margin left"))] * 9)
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.5", wait=20)
    state = harness.worker.keepers["BTCUSDT"]
    for _ in range(20):
        harness.worker.wake()
        await harness.go(1)
        assert (state.status, state.reason) == ("waiting", "no margin left")
    await harness.go(700)
    assert (state.status, state.reason) == ("at_target", "")
