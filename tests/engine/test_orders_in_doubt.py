"""An order whose outcome is unknown is looked up and waited for, and never sent twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from te_core.api import Capabilities, NotReady, OrderReport, OrderRequest, OrderStatus, OutcomeUnknown
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount, no_faults
from tests.engine.worker_harness import Open, fail

D = Decimal


async def test_accepted_then_timed_out_is_found_and_not_sent_again(
    open_harness: Open, account: FakeAccount
) -> None:
    faults = fail(place_order=[Fault(lost=OutcomeUnknown("timeout"))])
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.5", wait=5)
    assert account.quantity("BTCUSDT") == D("0.1")
    assert len(account.requests) == 1
    assert set(harness.outcomes().values()) == {"filled"}


async def test_an_order_that_arrives_late_is_waited_for(open_harness: Open, account: FakeAccount) -> None:
    faults = fail(place_order=[Fault(lost=OutcomeUnknown("timeout"), late=6)])
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.5", wait=5)
    assert account.requests == []
    await harness.go(30)
    assert account.quantity("BTCUSDT") == D("0.1")
    assert len(account.requests) == 1


async def test_an_order_that_never_arrived_is_sent_after_the_window(
    open_harness: Open, account: FakeAccount
) -> None:
    class Swallows(FakeAccount):
        async def place_order(self, order: OrderRequest) -> OrderReport:
            if not self.calls.count("swallowed"):
                self.calls.append("swallowed")
                raise OutcomeUnknown("connection dropped")
            return await super().place_order(order)

    swallowing = Swallows(account.clock, BTCUSDT="50000")
    harness = open_harness(account=swallowing)
    await harness.want("BTCUSDT", "0.5", wait=7)
    assert swallowing.requests == []
    await harness.go(30)
    assert swallowing.quantity("BTCUSDT") == D("0.1") * 10000 / 10000
    assert sorted(harness.outcomes().values()) == ["filled", "lost"]


class Deaf(FakeAccount):
    """An exchange that answers reads, but no order, as in a maintenance of its matching engine."""

    deaf = True
    tried = 0

    async def place_order(self, order: OrderRequest) -> OrderReport:
        if not self.deaf:
            return await super().place_order(order)
        self.tried += 1
        await asyncio.sleep(10)
        raise OutcomeUnknown("no answer within 10 s")


@pytest.mark.parametrize("lookup", [True, False], ids=["looked up", "not looked up"])
@pytest.mark.parametrize(("depth", "most"), [("0.5", 20), ("0", 40)], ids=["an increase", "a reduction"])
async def test_orders_that_never_arrive_are_sent_less_and_less_often(
    open_harness: Open, account: FakeAccount, depth: str, most: int, lookup: bool
) -> None:
    """Each one may be queued there: the fewer, the better. The operator hears of it, and it ends by itself."""
    deaf = Deaf(account.clock, equity="10000", BTCUSDT="50000")
    harness = open_harness(account=deaf)
    await harness.crash()
    harness.capabilities = Capabilities(order_lookup=lookup)
    harness.start()
    if depth == "0":
        deaf.deaf = False
        await harness.want("BTCUSDT", "0.5", wait=30)
        deaf.deaf = True
    await harness.want("BTCUSDT", depth, wait=1200)
    assert 5 < deaf.tried <= most
    (began,) = [event for event in harness.events if event.kind == "outage"]
    assert "the last orders were lost" in began.text
    deaf.deaf = False
    await harness.go(120)
    assert deaf.quantity("BTCUSDT") == D(depth) * 10000 / 50000
    assert [event.kind for event in harness.events][-1] == "recovery"


async def test_a_restart_settles_the_open_intent_first(open_harness: Open, account: FakeAccount) -> None:
    class HangsAfterFill(FakeAccount):
        hang = True

        async def place_order(self, order: OrderRequest) -> OrderReport:
            report = await super().place_order(order)
            if self.hang:
                await asyncio.Event().wait()
            return report

    hanging = HangsAfterFill(account.clock, BTCUSDT="50000")
    harness = open_harness(account=hanging)
    await harness.want("BTCUSDT", "0.5")
    hanging.hang = False
    hanging.calls.clear()
    await harness.restart()
    await harness.want("BTCUSDT", "0.5", wait=60)
    assert "find" in hanging.calls
    assert "order" not in hanging.calls
    assert len(hanging.requests) == 1
    assert hanging.quantity("BTCUSDT") == D("0.1") == hanging.requests[0].quantity


@pytest.mark.parametrize("held", ["0", "0.04"])
async def test_after_a_restart_nothing_is_confirmed_before_instruments(
    open_harness: Open, account: FakeAccount, held: str
) -> None:
    """Positions can be read, instruments cannot: a stored goal that was not reached does not count as reached."""
    faulty = FaultyAccount(account, fail(place_order=[Fault(share=D(held) / D("0.1"))]))
    harness = open_harness(account=faulty)
    await harness.want("BTCUSDT", "0.5", wait=0.5)
    assert account.quantity("BTCUSDT") == D(held)
    await harness.crash()
    closed = Fault(refused=NotReady("maintenance"))
    faulty.faults = lambda method, call: closed if method == "instruments" else None
    harness.start()
    await harness.want("BTCUSDT", "0.5", wait=40)
    state = harness.worker.keepers["BTCUSDT"]
    assert (state.confirmed, account.quantity("BTCUSDT")) == (False, D(held))
    faulty.faults = no_faults
    await harness.go(60)
    assert (state.confirmed, account.quantity("BTCUSDT")) == (True, D("0.1"))


async def test_an_outcome_without_look_up_is_judged_by_the_position(
    open_harness: Open, account: FakeAccount
) -> None:
    faults = fail(place_order=[Fault(lost=OutcomeUnknown("timeout"))])
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    harness.capabilities = Capabilities(order_lookup=False)
    await harness.restart()
    await harness.want("BTCUSDT", "0.5", wait=30)
    assert len(account.requests) == 1
    assert harness.worker.keepers["BTCUSDT"].confirmed
    assert "find" not in account.calls


async def test_no_order_id_is_used_twice_not_even_of_an_unsent_order(
    open_harness: Open, account: FakeAccount
) -> None:
    tries: list[str] = []

    class Busy(FakeAccount):
        async def place_order(self, order: OrderRequest) -> OrderReport:
            tries.append(order.client_order_id)
            if len(tries) < 3:
                raise NotReady("busy")
            return await super().place_order(order)

    harness = open_harness(account=Busy(account.clock, BTCUSDT="50000"))
    await harness.want("BTCUSDT", "0.5", wait=60)
    assert len(tries) == 3
    assert len(set(tries)) == 3


async def test_a_partial_fill_is_completed_with_the_rest(open_harness: Open, account: FakeAccount) -> None:
    faults = fail(place_order=[Fault(share=D("0.4"))])
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.5", wait=30)
    assert account.quantity("BTCUSDT") == D("0.1")
    assert [order.quantity for order in account.requests] == [D("0.04"), D("0.06")]


async def test_an_acknowledgement_without_a_fill_proves_nothing(
    open_harness: Open, account: FakeAccount
) -> None:
    class Acknowledges(FakeAccount):
        """Fills some seconds later, like venues that only acknowledge an order."""

        async def place_order(self, order: OrderRequest) -> OrderReport:
            self.calls.append("order")
            asyncio.get_running_loop().call_later(2 + len(self.calls) / 1000, self.fill, order)
            return OrderReport(client_order_id=order.client_order_id, status=OrderStatus.OPEN)

        async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
            self.calls.append("find")
            return self.orders.get(client_order_id) or OrderReport(
                client_order_id=client_order_id, status=OrderStatus.OPEN
            )

    slow = Acknowledges(account.clock, BTCUSDT="50000")
    harness = open_harness(account=slow)
    await harness.want("BTCUSDT", "0.5", wait=20)
    assert slow.quantity("BTCUSDT") == D("0.1")
    await harness.want("BTCUSDT", "-0.5", wait=20)
    assert slow.quantity("BTCUSDT") == D("-0.1")
    assert len(slow.requests) == 3
    assert harness.worker.keepers["BTCUSDT"].confirmed


async def test_a_clock_that_jumps_ahead_ends_no_wait_for_an_order(
    open_harness: Open, account: FakeAccount
) -> None:
    faults = fail(place_order=[Fault(lost=OutcomeUnknown("timeout"), late=6)])
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.5", wait=1)
    harness.clock.shift = timedelta(hours=1)
    await harness.go(30)
    assert len(account.requests) == 1
    assert account.quantity("BTCUSDT") == D("0.1")


async def test_a_restart_begins_the_window_of_an_open_intent_again(
    open_harness: Open, account: FakeAccount
) -> None:
    faults = fail(place_order=[Fault(lost=OutcomeUnknown("timeout"), late=7)])
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.5", wait=1)
    harness.clock.shift = timedelta(hours=1)
    await harness.restart()
    await harness.want("BTCUSDT", "0.5", wait=30)
    assert len(account.requests) == 1
    assert account.quantity("BTCUSDT") == D("0.1")


async def test_stopping_with_an_open_intent_reads_nothing(open_harness: Open, account: FakeAccount) -> None:
    lost: list[Fault | None] = [Fault(lost=OutcomeUnknown("timeout"))]
    faulty = FaultyAccount(
        account, faults=fail(place_order=lost, find_order=[Fault(refused=NotReady("down"))] * 99)
    )
    harness = open_harness(account=faulty)
    await harness.want("BTCUSDT", "0.5", wait=2)
    assert harness.worker.keepers["BTCUSDT"].orders.open
    await harness.worker.drain(timedelta(seconds=1))
    harness.worker.keepers["BTCUSDT"].task.cancel()  # type: ignore[union-attr]
    harness.worker.wake()
    reads = faulty.calls["positions"]
    await harness.go(60)
    assert faulty.calls["positions"] == reads


async def test_a_reported_fill_that_does_not_show_is_not_ordered_again(
    open_harness: Open, account: FakeAccount
) -> None:
    """It was filled, so somebody else closed it: the missing part is not ordered again (I18)."""

    class Exaggerates(FakeAccount):
        """Reports a full fill where half of it was filled."""

        def fill(self, order: OrderRequest, share: Decimal = Decimal(1)) -> OrderReport:
            half = super().fill(order, share / 2)
            return replace(half, status=OrderStatus.FILLED, filled=order.quantity)

    exaggerating = Exaggerates(account.clock, BTCUSDT="50000")
    harness = open_harness(account=exaggerating)
    await harness.want("BTCUSDT", "0.5", wait=120)
    keeper = harness.worker.keepers["BTCUSDT"]
    assert keeper.status == "drift"
    assert "position is 0.05, confirmed was 0.1" in keeper.reason
    assert len(exaggerating.requests) == 1
    assert [event.kind for event in harness.events] == ["drift"]


class Acknowledges(FakeAccount):
    """Accepts orders at once and fills them later: the ``first`` kind after one second, the other after three."""

    def __init__(self, account: FakeAccount, first: str) -> None:
        super().__init__(account.clock, BTCUSDT="50000")
        self.shown = [D(0)]
        self.first = first

    async def place_order(self, order: OrderRequest) -> OrderReport:
        early = order.reduce_only == (self.first == "close")
        asyncio.get_running_loop().call_later(1 if early else 3, self.fill, order)
        return OrderReport(client_order_id=order.client_order_id, status=OrderStatus.OPEN)

    def fill(self, order: OrderRequest, share: Decimal = Decimal(1)) -> OrderReport:
        report = super().fill(order, share)
        self.shown.append(self.quantity("BTCUSDT"))
        return report

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        return self.orders.get(client_order_id) or OrderReport(
            client_order_id=client_order_id, status=OrderStatus.OPEN
        )


@pytest.mark.parametrize("first", ["close", "opening"])
async def test_a_flip_never_passes_its_goal_in_any_order_of_fills(
    open_harness: Open, account: FakeAccount, first: str
) -> None:
    slow = Acknowledges(account, first)
    harness = open_harness(account=slow)
    await harness.want("BTCUSDT", "0.5", wait=60)
    await harness.want("BTCUSDT", "-0.25", wait=60)
    assert slow.shown[-1] == D("-0.05")
    assert slow.shown[1:] == sorted(slow.shown[1:], reverse=True), "always nearer, never beyond"
    assert harness.worker.keepers["BTCUSDT"].confirmed


@pytest.mark.parametrize("first", ["close", "opening"])
async def test_another_margin_mode_opens_only_after_a_flat_read(
    open_harness: Open, account: FakeAccount, first: str
) -> None:
    """Its two orders have opposite sides: were the second one filled first, the position would be doubled."""
    slow = Acknowledges(account, first)
    harness = open_harness(account=slow)
    await harness.want("BTCUSDT", "0.5", wait=60)
    harness.configure(margin_mode="cross")
    await harness.go(60)
    assert slow.shown == [D(0), D("0.1"), D(0), D("0.1")]
    assert harness.worker.keepers["BTCUSDT"].confirmed
    assert slow.held["BTCUSDT"].margin_mode == "cross"
