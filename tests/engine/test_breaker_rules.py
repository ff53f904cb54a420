"""Circuit breakers as rules: days, percentages, and that a tripped breaker holds until it is lifted, whatever
happens."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.model.cause import Cause
from te_core.model.control import Control, ControlState, Topic
from te_core.model.position import MarginMode
from te_core.model.target import Target, Term
from te_core.rules.breakers import (
    Breakers,
    Loss,
    Streak,
    Sums,
    begun,
    counted,
    levels,
    needs_reason,
    rearmed,
    rejected,
    trading_day,
    tripping,
    trips,
)
from te_core.rules.causes import cause_of
from te_core.rules.controls import BY_HAND, FREE, Standing
from te_core.rules.profit import Change

D = Decimal
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ARMED = Breakers(
    daily_loss=Loss(percent=D(5)),
    drawdown=Loss(amount=D(700), action="flatten"),
    symbol_loss=Loss(amount=D(300)),
    losing_trades=Streak(count=3),
    rejections=Streak(count=3, within=timedelta(minutes=10)),
)


class Scope:
    """One scope as the engine drives it; the value follows profit, deposits and withdrawals."""

    def __init__(self, breakers: Breakers = ARMED) -> None:
        self.breakers, self.sums, self.now, self.value = breakers, Sums(), NOW, D(10_000)

    def _check(self, sums: Sums) -> set[str]:
        made = trips(sums, levels(sums, self.breakers, self.now), self.now)
        self.sums = tripping(sums, made)
        return {trip.key for trip in made}

    def result(self, amount: Decimal, *, symbol: str = "BTCUSDT", ended: bool = False) -> set[str]:
        self.value += amount
        change = Change(
            result=amount, symbols={symbol: amount}, round_trip=(symbol, amount) if ended else None
        )
        return self._check(counted(begun(self.sums, self.breakers, self.now), change, self.value))

    def pay(self, amount: Decimal) -> set[str]:
        self.value += amount
        return self._check(
            counted(begun(self.sums, self.breakers, self.now), Change(transfer=amount), self.value)
        )

    def refuse(self) -> set[str]:
        return self._check(rejected(begun(self.sums, self.breakers, self.now), self.breakers, self.now))


happenings = st.one_of(
    st.tuples(st.just("result"), st.integers(-900, 900)),
    st.tuples(st.just("pay"), st.integers(-900, 3000)),
    st.tuples(st.just("refuse"), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 100_000)),
    st.tuples(st.just("edit"), st.integers(0, 2)),
)
EDITS = (ARMED, Breakers(), Breakers(daily_loss=Loss(percent=D(50))))


@given(st.lists(happenings, max_size=40))
def test_what_tripped_holds_until_it_is_lifted(plan: list[tuple[str, int]]) -> None:
    scope, tripped = Scope(), set[str]()
    for what, amount in plan:
        match what:
            case "result":
                made = scope.result(D(amount), ended=amount % 2 == 0)
            case "pay":
                made = scope.pay(D(amount))
            case "refuse":
                made = scope.refuse()
            case "wait":
                made, scope.now = set(), scope.now + timedelta(seconds=amount)
            case _:
                made, scope.breakers = set(), EDITS[amount]
        assert not made & tripped, "a breaker trips once"
        tripped |= made
        assert {trip.key for trip in needs_reason(scope.sums)} == tripped
    scope.sums = rearmed(scope.sums)
    assert not scope._check(scope.sums), "the old loss does not trip it again"
    assert not scope.sums.tripped


@given(st.lists(st.integers(-2000, 3000), max_size=30))
def test_what_is_paid_in_or_out_trips_nothing(amounts: list[int]) -> None:
    scope = Scope()
    for amount in amounts:
        if scope.value + amount > 0:
            assert not scope.pay(D(amount))


@given(st.integers(100, 400), st.integers(-4000, 4000))
def test_percentages_are_of_what_was_there_before_the_loss(lost: int, paid: int) -> None:
    scope = Scope()
    scope.pay(D(paid))
    before = scope.value
    made = scope.result(D(-lost))
    assert ("daily_loss" in made) == (D(lost) / before >= D("0.05"))


def test_a_withdrawal_neither_enlarges_nor_hides_a_loss() -> None:
    scope = Scope(Breakers(daily_loss=Loss(percent=D(5))))
    assert not scope.result(D(-400))
    assert not scope.pay(D(-8600))
    assert not scope.result(D(-5)), "4 % and half a percent of what is left"
    assert scope.result(D(-10)) == {"daily_loss"}


@given(st.lists(st.integers(-200, 300), max_size=30), st.integers(-8000, 20000))
def test_what_is_paid_in_or_out_changes_no_percentage(results: list[int], paid: int) -> None:
    """Equal shares of the current value are equal percentages, whatever was deposited before."""
    armed = Breakers(drawdown=Loss(percent=D(50), action="warn"))
    plain, other = Scope(armed), Scope(armed)
    other.pay(D(paid))
    for result in results:
        share = D(result) / plain.value
        plain.result(D(result))
        other.result(share * other.value)
    (one,), (two,) = (list(levels(scope.sums, armed, NOW)) for scope in (plain, other))
    assert abs(one.now - two.now) < D("1e-15")


def test_refusals_that_are_long_ago_do_not_count() -> None:
    scope = Scope()
    for _ in range(5):
        assert not scope.refuse()
        scope.now += timedelta(minutes=6)
    assert not scope.refuse()
    scope.now += timedelta(seconds=1)
    assert scope.refuse() == {"rejections"}


def test_a_symbol_is_lifted_without_the_others() -> None:
    scope = Scope()
    assert scope.result(D(-310)) == {"symbol_loss BTCUSDT"}
    assert scope.result(D(-310), symbol="ETHUSDT") >= {"symbol_loss ETHUSDT"}
    scope.sums = rearmed(scope.sums, "BTCUSDT")
    assert {trip.symbol for trip in needs_reason(scope.sums, "ETHUSDT")} == {"", "ETHUSDT"}
    assert {trip.symbol for trip in needs_reason(scope.sums, "BTCUSDT")} == {""}
    assert not scope.result(D(-10))


def test_only_warnings_end_with_the_day() -> None:
    warns = Breakers(daily_loss=Loss(amount=D(10), action="warn"), drawdown=Loss(amount=D(10)))
    scope = Scope(warns)
    assert scope.result(D(-20)) == {"daily_loss", "drawdown"}
    scope.now += timedelta(days=1)
    assert scope.result(D(-5)) == set()
    assert set(scope.sums.tripped) == {"drawdown"}
    assert scope.result(D(-5)) == {"daily_loss"}


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2026-03-28T20:59:00+00:00", date(2026, 3, 27)),  # 21:59 in Berlin
        ("2026-03-28T21:00:00+00:00", date(2026, 3, 28)),
        ("2026-03-29T19:59:00+00:00", date(2026, 3, 28)),  # summer time since that morning
        ("2026-03-29T20:00:00+00:00", date(2026, 3, 29)),
    ],
)
def test_a_day_begins_at_its_time_in_its_zone(at: str, day: date) -> None:
    breakers = Breakers(reset_at=time(22), zone="Europe/Berlin")
    assert trading_day(datetime.fromisoformat(at), breakers) == day


def test_a_clock_that_goes_back_begins_no_day_again() -> None:
    scope = Scope()
    scope.result(D(-400))
    scope.now -= timedelta(days=1)
    assert "daily_loss" in scope.result(D(-200))


# -- causes


def target(*terms: Term, cause: Cause | None = None, at: datetime = NOW) -> Target:
    return Target(
        account="a",
        symbol="BTCUSDT",
        revision=1,
        depth=D("0.1"),
        leverage=1,
        margin_mode=MarginMode.ISOLATED,
        reason="",
        created_at=at,
        terms=terms,
        cause=cause,
        caused_at=at,
    )


def term(minutes: int, weight: str = "0.5", source: str = "tv") -> Term:
    return Term(
        source=source,
        weight=D(weight),
        depth=D("0.5"),
        time=NOW,
        heard_at=NOW + timedelta(minutes=minutes),
    )


LATER = NOW + timedelta(minutes=30)
HAND = Control(topic=Topic.TARGET, scope="a", symbol="BTCUSDT", state=ControlState.SET, at=LATER, by="alice")
BY_OPERATOR = Term(source=BY_HAND, weight=D(1), depth=D("0.2"), time=NOW)


@pytest.mark.parametrize(
    ("new", "old", "held", "cause", "minutes"),
    [
        (target(term(1)), None, FREE, Cause.SIGNAL, 1),
        (target(term(2)), target(term(1)), FREE, Cause.SIGNAL, 2),
        (target(term(1, "0.6"), at=LATER), target(term(1)), FREE, Cause.SETTINGS, 30),
        (target(term(1), at=LATER), target(term(1)), FREE, Cause.EXPIRY, 30),
        (target(at=LATER), target(term(1)), FREE, Cause.SETTINGS, 30),
        (target(term(5)), target(term(1)), Standing(halt="x", flat=True, since=LATER), Cause.COMMAND, 30),
        (
            target(term(5)),
            target(term(1)),
            Standing(halt="x", flat=True, since=LATER, by_breaker=True),
            Cause.BREAKER,
            30,
        ),
        (target(BY_OPERATOR), target(term(1)), Standing(by_hand=HAND), Cause.COMMAND, 30),
        (
            target(term(1), at=LATER),
            target(BY_OPERATOR, cause=Cause.COMMAND, at=LATER),
            FREE,
            Cause.COMMAND,
            30,
        ),
        (target(term(40)), target(BY_OPERATOR, cause=Cause.COMMAND, at=LATER), FREE, Cause.SIGNAL, 40),
        (target(term(1), at=LATER), target(term(1), cause=Cause.BREAKER), FREE, Cause.COMMAND, 30),
    ],
)
def test_what_made_a_target_change(
    new: Target, old: Target | None, held: Standing, cause: Cause, minutes: int
) -> None:
    assert cause_of(new, old, held, enabled=True) == (cause, NOW + timedelta(minutes=minutes))


def test_a_disabled_account_is_a_matter_of_settings() -> None:
    new = target(term(5), at=LATER)
    assert cause_of(new, target(term(1)), FREE, enabled=False) == (Cause.SETTINGS, LATER)
