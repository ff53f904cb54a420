"""A read that does not show our own latest orders yet is never taken for the present position (I5, I13)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from te_core.api import NotReady, OutcomeUnknown
from te_core.rules.trail import NO_TRAIL, Trail
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount
from tests.engine.test_worker_failures import fail

D = Decimal
amounts = st.decimals(-1000, 1000, places=3)
NEVER = float("-inf")


@given(start=amounts, changes=st.lists(amounts.filter(bool), min_size=1, max_size=6))
def test_every_position_on_the_way_is_hidden_and_the_last_one_shown(start: D, changes: list[D]) -> None:
    trail, passed = NO_TRAIL.onwards(start, NEVER), [start]
    for at, change in enumerate(changes, 1):
        trail = trail.moved(change, at)
        passed.append(passed[-1] + change)
    assert not trail.hides(passed[-1], 0)
    assert all(trail.hides(quantity, 0) for quantity in passed if quantity != passed[-1])
    assert not any(trail.hides(quantity, len(changes)) for quantity in passed), "all are long known"
    outside = (min(passed) - 1, max(passed) + 1)
    assert not any(trail.hides(quantity, 0) for quantity in outside), "somebody else's change"


@given(start=amounts, first=amounts.filter(bool), second=amounts.filter(bool))
def test_a_trail_goes_on_only_from_its_end_and_while_it_counts(start: D, first: D, second: D) -> None:
    one = NO_TRAIL.onwards(start, NEVER).moved(first, 5)
    longer = one.onwards(start + first, 4).moved(second, 6)
    assert longer.hides(start, 4) or start == longer.end
    assert one.onwards(start + first, 5) == Trail(low=start + first, high=start + first, end=start + first)
    assert one.onwards(start + first + 1, 4).end == start + first + 1


def test_of_an_earlier_process_only_where_its_orders_ended_may_be_known() -> None:
    ended = Trail(end=D(2), at=5)
    assert not ended.hides(D(2), 4)
    assert ended.hides(D(1), 4)
    assert not ended.hides(D(1), 5)
    onwards = ended.onwards(D(2), 4).moved(D(1), 6)
    assert not onwards.hides(D(3), 4)
    assert onwards.hides(D(2), 4)


def test_without_a_known_position_everything_is_hidden_for_a_while() -> None:
    other_process = Trail(at=5).moved(D(1), 7)
    assert other_process.hides(D(1), 6)
    assert not other_process.hides(D(1), 7)
    assert not NO_TRAIL.hides(D(1), 0)


async def test_an_order_found_after_a_timeout_is_not_made_again_before_it_shows(
    open_desk: Any, account: FakeAccount
) -> None:
    faults = fail(place_order=[Fault(lost=OutcomeUnknown("timeout"), lag=3)])
    desk = open_desk(account=FaultyAccount(account, faults=faults))
    await desk.want("BTCUSDT", "0.5", wait=30)
    assert [order.quantity for order in account.requests] == [D("0.1")]
    assert desk.worker.states["BTCUSDT"].confirmed
    assert {event.kind for event in desk.events} <= {"outage", "recovery"}


async def test_a_read_from_just_after_an_order_proves_no_more_when_it_is_shown_again_later(
    open_desk: Any, account: FakeAccount
) -> None:
    faults = fail(
        place_order=[Fault(lost=OutcomeUnknown("timeout"), lag=3)],
        positions=[None, None, None, None, *[Fault(refused=NotReady("down"))] * 2, *[Fault(stale=True)] * 3],
    )
    faulty = FaultyAccount(account, faults=faults)
    desk = open_desk(account=faulty)
    await desk.want("BTCUSDT", "0.5", wait=90)
    assert faulty.calls["positions"] > 9
    assert [order.quantity for order in account.requests] == [D("0.1")]
    assert desk.worker.states["BTCUSDT"].confirmed


async def test_a_newer_target_is_not_reached_from_a_position_of_the_past(
    open_desk: Any, account: FakeAccount
) -> None:
    faults = fail(place_order=[Fault(lag=3, delay=1), None])
    desk = open_desk(account=FaultyAccount(account, faults=faults))
    await desk.want("BTCUSDT", "0.5", wait=0.5)
    await desk.want("BTCUSDT", "0.6", wait=30)
    assert [order.quantity for order in account.requests] == [D("0.1"), D("0.02")]


async def test_a_restart_does_not_make_an_order_again_that_does_not_show_yet(
    open_desk: Any, account: FakeAccount
) -> None:
    desk = open_desk(account=FaultyAccount(account, faults=fail(place_order=[Fault(lag=3)])))
    await desk.want("BTCUSDT", "0.5", wait=0.2)
    await desk.restart()
    await desk.want("BTCUSDT", "0.5", wait=30)
    assert len(account.requests) == 1
    assert desk.worker.states["BTCUSDT"].confirmed


async def test_a_restart_after_a_confirmation_waits_for_nothing(open_desk: Any, account: FakeAccount) -> None:
    desk = open_desk()
    await desk.want("BTCUSDT", "0.5", wait=1)
    await desk.restart()
    await desk.want("BTCUSDT", "0.2", wait=0.1)
    assert account.quantity("BTCUSDT") == D("0.04")


async def test_a_restart_long_after_the_last_order_waits_for_nothing(
    open_desk: Any, account: FakeAccount
) -> None:
    desk = open_desk()
    await desk.want("BTCUSDT", "0.5", wait=60)
    await desk.restart()
    await desk.want("BTCUSDT", "0.2", wait=0)
    await desk.go(0.1)
    assert account.quantity("BTCUSDT") == D("0.04")


async def test_a_change_by_hand_outside_of_what_we_passed_through_is_seen_at_once(
    open_desk: Any, account: FakeAccount
) -> None:
    desk = open_desk()
    await desk.want("BTCUSDT", "0.5", wait=1)
    account.hold("BTCUSDT", "0.3")
    desk.worker.wake()
    await desk.go(0.5)
    assert account.quantity("BTCUSDT") == D("0.1")
