"""Whatever fails in between: no order twice, nothing from a failed read, and the target in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from te_core.api import (
    AuthError,
    Capabilities,
    InsufficientMargin,
    Known,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    OrderStatus,
    OutcomeUnknown,
    Position,
    RateLimited,
)
from te_core.rules.decision import Status
from te_core.settings.schema import LimitSettings
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount, no_faults, scripted
from tests.engine.worker_harness import WorkerHarness, blend_for

Open = Callable[..., WorkerHarness]
D = Decimal


def fail(**faults: list[Fault | None]) -> Callable[[str, int], Fault | None]:
    return scripted(faults)


@pytest.mark.parametrize("read", ["positions", "equity", "prices"])
async def test_a_failed_read_orders_nothing(open_harness: Open, account: FakeAccount, read: str) -> None:
    faults = {read: [Fault(refused=NotReady("maintenance"))] * 3}
    harness = open_harness(account=FaultyAccount(account, faults=scripted(faults)))
    await harness.want("BTCUSDT", "0.5", wait=10)
    assert account.requests == []
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.1")
    assert [event.kind for event in harness.events if event.text.startswith(read)] == ["outage", "recovery"]


async def test_a_failed_read_at_target_is_not_taken_for_flat(
    open_harness: Open, account: FakeAccount
) -> None:
    faults = {"positions": [None, None, None, *[Fault(refused=NotReady("down"))] * 20]}
    harness = open_harness(account=FaultyAccount(account, faults=scripted(faults)))
    await harness.want("BTCUSDT", "0.5")
    await harness.want("BTCUSDT", "0.6", wait=3600)
    assert account.quantity("BTCUSDT") == D("0.12")
    assert len(account.requests) == 2


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


async def test_an_order_that_never_arrived_is_sent_anew_after_the_window(
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
    """Positions answer, instruments do not: a kept goal that is not reached stays one that is not reached."""
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


async def test_no_order_id_is_used_twice_not_even_that_of_an_unsent_order(
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


async def test_an_acknowledgement_without_a_fill_is_no_proof(
    open_harness: Open, account: FakeAccount
) -> None:
    class Acknowledges(FakeAccount):
        """Fills some seconds later, as venues do that only acknowledge."""

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


async def test_a_rejected_order_backs_off_and_a_new_target_ends_the_wait(
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
async def test_an_unreachable_exchange_is_asked_at_intervals(
    open_harness: Open, account: FakeAccount, depth: str
) -> None:
    """An order that waits to be tried again does not have the reads repeated without pause."""
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


async def test_a_leverage_changed_by_hand_is_put_right(open_harness: Open, account: FakeAccount) -> None:
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


async def test_credentials_refused_for_one_symbols_order_hold_that_symbol(
    open_harness: Open, account: FakeAccount
) -> None:
    """Keys may be allowed some symbols only: the others trade on, and this one is asked for again, ever more slowly."""
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


async def test_limits_clip_and_hold(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness(limits=LimitSettings(symbol_exposure=D(2000), account_exposure=D(3000)))
    harness.worker.retarget({s: blend_for(s, "0.3") for s in ("BTCUSDT", "ETHUSDT", "SOLUSDT")})
    await harness.go(5)
    notionals = [abs(account.quantity(s)) * account.price[s] for s in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
    assert notionals == [2000, 1000, 0]


async def test_a_price_far_from_the_signal_holds_an_increase_back(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(limits=LimitSettings(price_distance=D("0.01")))
    await harness.want("BTCUSDT", "0.5", price="45000")
    assert account.requests == []
    assert "price_distance" in harness.worker.keepers["BTCUSDT"].reason
    assert set(harness.outcomes().values()) == {"refused"}


async def test_price_distance_uses_the_newest_signal_even_if_it_repeats(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(limits=LimitSettings(price_distance=D("0.01")))
    await harness.want("BTCUSDT", "0.5", price="45000")
    await harness.want("BTCUSDT", "0.5", price="50000", wait=30)
    assert account.quantity("BTCUSDT") == D("0.1")


async def test_what_a_limit_holds_back_is_never_shown_as_possibly_sent(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(limits=LimitSettings(price_distance=D("0.01")))
    await harness.want("BTCUSDT", "0.5", price="45000")
    for _ in range(60):
        await harness.go(2)
        assert "recorded before" not in harness.worker.keepers["BTCUSDT"].reason
    account.price["BTCUSDT"] = D("45100")
    await harness.go(120)
    assert list(harness.outcomes().values()).count("filled") == len(account.requests) == 1


async def test_the_price_distance_is_checked_when_the_order_is_sent(
    open_harness: Open, account: FakeAccount
) -> None:
    faults = fail(place_order=[Fault(refused=NotReady("maintenance"))] * 2)
    harness = open_harness(
        account=FaultyAccount(account, faults=faults), limits=LimitSettings(price_distance=D("0.01"))
    )
    await harness.want("BTCUSDT", "0.5", price="50000")
    account.price["BTCUSDT"] = D("60000")
    await harness.go(600)
    assert account.requests == []
    assert "price_distance" in harness.worker.last_error()


async def test_a_runaway_is_stopped_by_orders_per_minute(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness(limits=LimitSettings(orders_per_minute=3))
    for index in range(1, 8):
        await harness.want("BTCUSDT", f"0.{index}", wait=0.5)
    assert len(account.requests) == 3
    await harness.go(120)
    assert account.quantity("BTCUSDT") == D("0.14")


async def test_reductions_go_first_when_margin_is_short(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "1")
    from te_core.api import Equity, Known

    async def short() -> Known[Equity]:
        return Known(value=Equity(wallet=D(10000), total=D(10000), free=D(0)), as_of=account.clock.now())

    account.equity = short  # type: ignore[method-assign]
    harness.worker.retarget({"ETHUSDT": blend_for("ETHUSDT", "0.5"), "BTCUSDT": blend_for("BTCUSDT", "0.5")})
    await harness.go(5)
    assert [order.symbol for order in account.requests[1:]] == ["BTCUSDT", "ETHUSDT"]


async def test_order_rejected_is_told_by_its_reason(open_harness: Open, account: FakeAccount) -> None:
    faults = fail(place_order=[Fault(refused=OrderRejected("price band", code="300011"))])
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.5", wait=1)
    assert "300011" in harness.worker.keepers["BTCUSDT"].reason


async def test_a_wall_clock_that_steps_back_stops_nobody(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5")
    harness.clock.shift = timedelta(hours=-1)
    await harness.want("BTCUSDT", "0.3", wait=5)
    assert account.quantity("BTCUSDT") == D("0.06")
    assert harness.worker.keepers["BTCUSDT"].confirmed


async def test_a_clock_that_jumps_ahead_does_not_end_waiting_for_an_order(
    open_harness: Open, account: FakeAccount
) -> None:
    faults = fail(place_order=[Fault(lost=OutcomeUnknown("timeout"), late=6)])
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.5", wait=1)
    harness.clock.shift = timedelta(hours=1)
    await harness.go(30)
    assert len(account.requests) == 1
    assert account.quantity("BTCUSDT") == D("0.1")


async def test_after_a_restart_the_window_of_an_open_intent_begins_anew(
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


async def test_stopping_with_an_open_intent_looks_at_nothing_any_more(
    open_harness: Open, account: FakeAccount
) -> None:
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


async def test_a_reported_fill_that_does_not_show_is_not_ordered_again(
    open_harness: Open, account: FakeAccount
) -> None:
    """It was filled, so somebody else took it back: what is missing stays away (I18)."""

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


async def test_a_read_that_tells_nothing_new_ends_no_back_off(
    open_harness: Open, account: FakeAccount
) -> None:
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
async def test_no_opening_in_another_margin_mode_before_a_read_shows_flat(
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
