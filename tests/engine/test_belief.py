"""What observations and our own orders count as: known, or unknown with a reason (I13)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.model.observation import Observation, Origin
from te_core.model.position import Equity, Position
from te_core.model.reading import Unknown
from te_core.rules.belief import (
    EQUITY_AGE,
    FOLLOWED_AGE,
    HEARTBEAT_TIMEOUT,
    NO_EVIDENCE,
    POSITION_AGE,
    PRICE_AGE,
    FeedState,
    PositionEvidence,
    believed_equity,
    believed_position,
    believed_price,
    may_be_stale,
    observe,
    order_answered,
    order_filled,
    order_of_others,
    order_sent,
    shows_end,
)

D = Decimal
WINDOW = 8.0
amounts = st.decimals(-1000, 1000, places=3)
DEAD = FeedState()


def seen(quantity: Decimal, at: float, number: int, *, pushed: bool = False) -> Observation[Position]:
    return Observation(
        value=Position(symbol="BTCUSDT", quantity=quantity),
        asked_at=at,
        arrived_at=at,
        number=number,
        origin=Origin.PUSHED if pushed else Origin.READ,
    )


def fold(evidence: PositionEvidence, *observations: Observation[Position]) -> PositionEvidence:
    for one in observations:
        evidence = observe(evidence, one, window=WINDOW, pending=False)
    return evidence


def bought(quantity: Decimal, change: Decimal, at: float = 10.0) -> PositionEvidence:
    """What is known right after our own order changed a position that was read before it."""
    evidence = fold(NO_EVIDENCE, seen(quantity, at - 1, 1))
    evidence = order_answered(order_sent(evidence, at=at, number=2), at=at, number=3)
    return order_filled(evidence, change, at=at, number=4, window=WINDOW)


def believed(evidence: PositionEvidence, now: float, feed: FeedState = DEAD) -> Decimal | None:
    position = believed_position(evidence, now=now, feed=feed, pending=False)
    return None if isinstance(position, Unknown) else position.quantity


def test_what_was_never_read_is_unknown() -> None:
    assert believed(NO_EVIDENCE, 0) is None


def test_a_fill_is_never_added_to_a_snapshot() -> None:
    evidence = bought(D(1), D(2))
    assert believed(evidence, 10) is None
    assert believed(fold(evidence, seen(D(3), 10, 5)), 10) == 3


@given(start=amounts, changes=st.lists(amounts.filter(bool), min_size=1, max_size=6))
def test_positions_on_the_way_are_doubted_and_its_end_believed(start: D, changes: list[D]) -> None:
    evidence, passed, at, number = fold(NO_EVIDENCE, seen(start, 0, 0)), [start], 1.0, 1
    for change in changes:
        evidence = order_sent(evidence, at=at, number=number)
        evidence = order_filled(evidence, change, at=at, number=number + 1, window=WINDOW)
        passed.append(passed[-1] + change)
        at, number = at + 0.5, number + 2
    for quantity in passed:
        found = fold(evidence, seen(quantity, at, number))
        assert believed(found, at) == (quantity if quantity == passed[-1] else None)
        assert believed(fold(evidence, seen(quantity, at + WINDOW, number)), at + WINDOW) == quantity
    for outside in (min(passed) - 1, max(passed) + 1):
        assert believed(fold(evidence, seen(outside, at, number)), at) == outside, "somebody else's change"


def test_a_read_begun_before_our_orders_answer_never_counts() -> None:
    evidence = bought(D(0), D(1))
    assert believed(fold(evidence, seen(D(1), 9.9, 5)), 10) is None
    assert believed(fold(evidence, seen(D(1), 10, 3)), 10) is None, "a tie is decided by the order of events"


def test_a_push_that_overtook_the_answer_of_its_order_counts() -> None:
    evidence = order_sent(fold(NO_EVIDENCE, seen(D(0), 9, 1)), at=10, number=2)
    evidence = observe(evidence, seen(D(1), 10.1, 3, pushed=True), window=WINDOW, pending=True)
    evidence = order_answered(evidence, at=10.2, number=4)
    assert believed(order_filled(evidence, D(1), at=10.2, number=5, window=WINDOW), 10.2) == 1
    assert believed(order_filled(evidence, D(2), at=10.2, number=5, window=WINDOW), 10.2) is None


def test_while_an_order_has_no_outcome_nothing_is_known() -> None:
    evidence = fold(NO_EVIDENCE, seen(D(1), 0, 1))
    assert isinstance(believed_position(evidence, now=0, feed=DEAD, pending=True), Unknown)


@pytest.mark.parametrize("first_pushed", [True, False], ids=["reads behind pushes", "pushes behind reads"])
def test_the_position_is_unknown_until_both_views_agree(first_pushed: bool) -> None:
    evidence = fold(bought(D(0), D(1)), seen(D(1), 10.1, 5, pushed=first_pushed))
    assert believed(evidence, 10.1) == 1
    behind = fold(evidence, seen(D(0), 13, 6, pushed=not first_pushed))
    assert believed(behind, 13) is None
    assert believed(fold(behind, seen(D(1), 14, 7, pushed=not first_pushed)), 14) == 1
    assert believed(fold(behind, seen(D(0), 10 + WINDOW, 7)), 18) == 0, "after the window it is a change"


def test_changes_by_others_are_believed_and_our_own_are_doubted() -> None:
    evidence = fold(NO_EVIDENCE, seen(D(1), 0, 1), seen(D(5), 100, 2, pushed=True))
    assert (believed(evidence, 100), evidence.disturbed, evidence.foreign_changes) == (D(5), True, 1)
    assert believed(fold(evidence, seen(D(1), 101, 3)), 101) is None
    assert believed(fold(evidence, seen(D(7), 101, 3)), 101) == 7


def test_a_read_that_a_push_overtook_disproves_nothing() -> None:
    evidence = fold(bought(D(0), D(1)), seen(D(1), 11, 6, pushed=True))
    late = Observation(
        value=Position(symbol="BTCUSDT", quantity=D(0)), asked_at=10.5, arrived_at=11.5, number=5
    )
    assert believed(observe(evidence, late, window=WINDOW, pending=False), 11.5) == 1


@pytest.mark.parametrize("later", [0.0, WINDOW])
def test_a_further_order_never_shortens_the_wait_for_others(later: float) -> None:
    """The further one may be ours: it is pushed without an id, and adds no wait of its own."""
    evidence = order_of_others(fold(NO_EVIDENCE, seen(D(1), 0, 1)), at=100, number=2, window=WINDOW)
    evidence = order_of_others(evidence, at=101, number=3, window=later)
    assert believed(fold(evidence, seen(D(1), 102, 4)), 102) is None
    assert believed(fold(evidence, seen(D(1), 101 + WINDOW, 4)), 101 + WINDOW) == 1


def test_a_read_counts_for_as_long_as_its_age_allows() -> None:
    evidence = fold(NO_EVIDENCE, seen(D(1), 100, 1))
    assert believed(evidence, 100 + POSITION_AGE) == 1
    assert believed(evidence, 100.1 + POSITION_AGE) is None
    followed = FeedState(up_at=99, alive_at=160)
    assert believed(evidence, 100 + FOLLOWED_AGE, followed) == 1
    assert believed(evidence, 100.1 + FOLLOWED_AGE, followed) is None, "nothing shows what the stream missed"
    assert believed(evidence, 112, FeedState(up_at=101, alive_at=112)) is None, "read before it was followed"
    assert believed(evidence, 120, FeedState(up_at=99, alive_at=120 - HEARTBEAT_TIMEOUT - 1)) is None
    assert believed(evidence, 120, FeedState(up_at=99, alive_at=120, distrusted_until=121)) is None


def test_after_a_restart_only_the_last_order_s_end_is_believed() -> None:
    evidence = PositionEvidence(end=D(2), changed_at=5, own_at=9, own_number=0)
    assert believed(fold(evidence, seen(D(2), 10, 1)), 10) == 2
    assert believed(fold(evidence, seen(D(1), 10, 1)), 10) is None
    assert believed(fold(evidence, seen(D(1), 5 + WINDOW, 1)), 13) == 1
    unknown = PositionEvidence(changed_at=5, own_at=9, own_number=0)
    assert may_be_stale(unknown, D(0), 10, WINDOW)
    assert not may_be_stale(unknown, D(0), 5 + WINDOW, WINDOW)


def test_a_read_may_confirm_an_order_reported_after_it() -> None:
    evidence = bought(D(0), D(1))
    assert believed(shows_end(evidence, seen(D(1), 10, 3)), 10) == 1
    assert believed(shows_end(evidence, seen(D(0), 10, 3)), 10) is None


def equity(value: str, at: float = 0, number: int = 5) -> Observation[Equity]:
    wallet = D(value)
    return Observation(
        value=Equity(wallet=wallet, total=wallet, free=wallet), asked_at=at, arrived_at=at, number=number
    )


def test_no_equity_while_something_is_held_contradicts_itself() -> None:
    assert isinstance(believed_equity(equity("0"), now=0, own_number=0, held=lambda: "BTCUSDT"), Unknown)
    empty = believed_equity(equity("0"), now=0, own_number=0, held=lambda: "")
    assert isinstance(empty, Equity)


def test_equity_grows_old_and_free_margin_ends_with_an_order() -> None:
    assert isinstance(
        believed_equity(equity("5"), now=EQUITY_AGE + 1, own_number=0, held=lambda: ""), Unknown
    )
    assert isinstance(believed_equity(None, now=0, own_number=0, held=lambda: ""), Unknown)
    after = believed_equity(equity("5"), now=1, own_number=6, held=lambda: "")
    assert isinstance(after, Equity)
    assert (after.wallet, after.free) == (D(5), None)


def test_a_price_counts_for_seconds_whatever_its_connection_says() -> None:
    price = Observation(value=D(100), asked_at=50, arrived_at=50, number=0, origin=Origin.PUSHED)
    assert believed_price(price, now=50 + PRICE_AGE) == 100
    assert believed_price(price, now=51 + PRICE_AGE) is None
    zero = Observation(value=D(0), asked_at=50, arrived_at=50, number=0)
    assert believed_price(zero, now=50) is None
