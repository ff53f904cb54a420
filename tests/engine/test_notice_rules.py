"""Which events are notified: one notice at a failure's start and one at its end, grouped, limited, quiet at night."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.model.event import SEVERAL, Event
from te_core.rules.notices import (
    LINES,
    MOST,
    ONE_FAILURE,
    NoticePolicy,
    Outbox,
    accepted,
    due,
    merged,
    restored,
    unsent,
)
from te_core.settings.hours import parse_hours

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
AT_ONCE = NoticePolicy()
NIGHT = parse_hours("22:00-06:00")


def event(kind: str, text: str = "", **about: Any) -> Event:
    return Event(at=START, kind=kind, text=text or kind, **about)


class Receiver:
    """The notices that one receives: by second, as headlines and texts."""

    def __init__(self, policy: NoticePolicy = AT_ONCE, *, wall: datetime = START) -> None:
        self.policy, self.wall, self.outbox, self.told = policy, wall, Outbox(), list[tuple[float, Event]]()
        self.now = 0.0

    def happens(self, at: float, *events: Event) -> None:
        self.until(at)
        for each in events:
            self.outbox = accepted(self.outbox, each, self.policy, self.now)
        self._check()

    def until(self, at: float) -> None:
        """Advance the time, waking when something is due, as the engine does."""
        while (seconds := self._check()) is not None and self.now + seconds <= at:
            assert self.now + seconds > self.now, "it would wake without end"
            self.now += seconds
        self.now = max(self.now, at)
        self._check()

    def _check(self) -> float | None:
        wall = self.wall + timedelta(seconds=self.now)
        self.outbox, told, seconds = due(self.outbox, self.policy, self.now, wall)
        self.told += [(self.now, each) for each in told]
        return seconds

    @property
    def received(self) -> list[str]:
        return [f"{each.headline}: {each.text}" for _, each in self.told]


def outage(symbol: str | None = None, account: str = "main") -> Event:
    return event("outage", f"{symbol or 'positions'}: no answer", account=account, symbol=symbol)


def recovery(symbol: str | None = None, account: str = "main") -> Event:
    return event("recovery", f"{symbol or 'positions'} recovered", account=account, symbol=symbol)


def test_a_network_failure_is_one_notice_at_each_end_per_account() -> None:
    symbols = [f"S{number}USDT" for number in range(20)]
    receiver = Receiver()
    for account in ("main", "second"):
        receiver.happens(receiver.now, *(outage(symbol, account) for symbol in symbols[:5]))
    receiver.happens(20, outage(account="main"), outage(account="second"))
    receiver.happens(40, *(outage(symbol, "main") for symbol in symbols))
    assert receiver.received == [
        "outage main S0USDT: S0USDT: no answer",
        "outage second S0USDT: S0USDT: no answer",
    ]
    receiver.told.clear()
    receiver.happens(3000, recovery(account="main"))
    receiver.happens(3010, *(recovery(symbol, "main") for symbol in symbols))
    receiver.happens(3020, recovery("S3USDT", "second"), recovery(account="second"))
    receiver.happens(3030, *(recovery(symbol, "second") for symbol in symbols[:5] if symbol != "S3USDT"))
    receiver.until(9000)
    assert receiver.received == ["recovery main: positions recovered", "recovery second: positions recovered"]


def test_a_much_later_failure_is_reported_during_another_outage() -> None:
    receiver = Receiver()
    receiver.happens(0, outage("BTCUSDT"))
    receiver.happens(ONE_FAILURE + 1, outage("ETHUSDT"))
    receiver.happens(3 * ONE_FAILURE, outage())
    assert [each.symbol for _, each in receiver.told] == ["BTCUSDT", "ETHUSDT", None]


def test_an_end_does_not_wait_forever_for_a_failing_symbol() -> None:
    receiver = Receiver()
    receiver.happens(0, outage())
    receiver.happens(5, outage("BTCUSDT"))
    receiver.happens(300, recovery())
    receiver.until(9000)
    assert receiver.received[1:] == ["recovery main: positions recovered; still failing: BTCUSDT"]
    assert receiver.told[1][0] == 300 + ONE_FAILURE
    receiver.happens(9000, recovery("BTCUSDT"))
    assert receiver.received[2:] == ["recovery main BTCUSDT: BTCUSDT recovered"]


def test_an_intermittent_failure_is_notified_once_more_when_over() -> None:
    receiver = Receiver()
    receiver.happens(0, outage(), outage("BTCUSDT"))
    for second in range(10, 100, 20):
        receiver.happens(second, recovery())
        receiver.happens(second + 10, outage())
    receiver.happens(200, recovery("BTCUSDT"))
    receiver.happens(201, recovery())
    assert receiver.received == ["outage main: positions: no answer", "recovery main: positions recovered"]


@given(
    st.lists(
        st.tuples(
            st.floats(0, 30), st.booleans(), st.sampled_from([None, "BTCUSDT", "ETHUSDT"]), st.booleans()
        ),
        max_size=30,
    )
)
def test_starts_and_ends_of_an_account_take_turns(
    steps: list[tuple[float, bool, str | None, bool]],
) -> None:
    """However parts fail and recover, each end is notified exactly once."""
    receiver = Receiver()
    failing: set[str | None] = set()
    for pause, fails, symbol, _ in steps:
        if fails == (symbol in failing):
            continue
        failing ^= {symbol}
        receiver.happens(receiver.now + pause, outage(symbol) if fails else recovery(symbol))
    for symbol in list(failing):
        receiver.happens(receiver.now, recovery(symbol))
    receiver.until(receiver.now + 10 * ONE_FAILURE)
    kinds = [each.kind for _, each in receiver.told]
    assert kinds[:1] != ["recovery"]
    assert all(after == "outage" for before, after in pairwise(kinds) if before == "recovery")
    assert kinds[-1:] != ["outage"]
    assert not receiver.outbox.failing
    assert not receiver.outbox.waiting


def test_simultaneous_events_are_notified_together() -> None:
    receiver = Receiver(NoticePolicy(gather=5, kinds=frozenset("*")))
    receiver.happens(0, event("filled", "bought 1 at 100", account="main", symbol="BTCUSDT"))
    receiver.happens(3, event("filled", "sold 2 at 50", account="main", symbol="ETHUSDT"))
    receiver.happens(4, event("drift", "holds 1, wanted 2", account="second", symbol="BTCUSDT"))
    receiver.happens(20, event("filled", "bought 3 at 1", account="main", symbol="XRPUSDT"))
    receiver.until(60)
    (first_at, first), (_, second) = receiver.told
    assert first_at == 5
    assert (first.kind, first.account, first.symbol) == (SEVERAL, None, None)
    assert first.text.splitlines() == [
        "filled main BTCUSDT: bought 1 at 100",
        "filled main ETHUSDT: sold 2 at 50",
        "drift second BTCUSDT: holds 1, wanted 2",
    ]
    assert second.headline == "filled main XRPUSDT"


def test_what_all_lines_have_in_common_is_shown_once() -> None:
    together = merged(event("filled", f"bought {size}", account="main", symbol="BTCUSDT") for size in (1, 2))
    assert together.headline == "filled main BTCUSDT"
    assert together.text == "bought 1\nbought 2"


def test_a_long_list_is_counted_and_cut() -> None:
    together = merged([event("drift", str(number)) for number in range(99)] + [event("limited", "last")])
    head, *lines = together.text.splitlines()
    assert head == "100 events (99 drift, 1 limited); the newest:"
    assert len(lines) == LINES
    assert lines[-1] == "limited: last"


def test_critical_kinds_ignore_quiet_hours_and_limits() -> None:
    policy = NoticePolicy(gather=30, per_hour=1, quiet=(NIGHT,), critical=frozenset({"breaker"}))
    receiver = Receiver(policy, wall=START.replace(hour=23))
    for second in range(20):
        receiver.happens(second, event("breaker", str(second)), event("drift", str(second)))
    assert [each.text for _, each in receiver.told] == [str(second) for second in range(20)]


def test_events_of_quiet_hours_are_sent_together_at_their_end() -> None:
    receiver = Receiver(replace(AT_ONCE, quiet=(NIGHT,)), wall=START.replace(hour=21, minute=59))
    receiver.happens(0, event("drift", "before"))
    receiver.happens(120, outage())
    receiver.happens(3600, recovery())
    receiver.until(8 * 3600)
    assert receiver.received == ["drift: before"]
    receiver.until(9 * 3600)
    at, last = receiver.told[-1]
    assert receiver.wall + timedelta(seconds=at) == START.replace(day=1, month=12, hour=6)
    assert last.text.splitlines() == ["outage: positions: no answer", "recovery: positions recovered"]
    assert len(receiver.told) == 2


def test_events_above_the_limit_are_notified_together_later() -> None:
    receiver = Receiver(NoticePolicy(per_hour=60))
    for second in range(600):
        receiver.happens(second, event("drift", str(second)))
    receiver.until(3600)
    texts = [each.text for _, each in receiver.told]
    assert texts[:10] == [str(second) for second in range(10)], "a sixth of an hour's come at once"
    assert len(texts) <= 10 + 11
    assert texts[-1].splitlines()[-1] == "599"
    assert sum(each.detail.get("events", 1) for _, each in receiver.told) == 600


@pytest.mark.parametrize("rounding", [1e-13, 7e-13, 1e-12])
def test_a_wait_that_no_clock_can_show_is_over(rounding: float) -> None:
    """What remains after sums of seconds is not zero, and adding it to the time changes nothing."""
    now = 8299.654534293528
    outbox = Outbox(gathered=(event("drift"),), since=now, spent=1.0 + rounding, spent_at=now)
    assert due(outbox, NoticePolicy(per_hour=1), now + 3600, START)[2] is None


@given(
    st.lists(st.tuples(st.floats(0, 900), st.sampled_from(["drift", "breaker", "limited"])), max_size=80),
    st.sampled_from([0.0, 5.0, 600.0]),
    st.sampled_from([0, 1, 6, 60]),
    st.booleans(),
)
def test_every_event_is_notified_once_and_within_the_limit(
    steps: list[tuple[float, str]], gather: float, per_hour: int, at_night: bool
) -> None:
    policy = NoticePolicy(
        gather=gather,
        per_hour=per_hour,
        quiet=(NIGHT,) if at_night else (),
        critical=frozenset({"breaker"}),
    )
    receiver = Receiver(policy, wall=START.replace(hour=20))
    for pause, kind in steps:
        receiver.happens(receiver.now + pause, event(kind))
    receiver.until(receiver.now + 24 * 3600)
    assert sum(each.detail.get("events", 1) for _, each in receiver.told) == len(steps)
    assert not receiver.outbox.waiting
    limited = [at for at, each in receiver.told if each.kind != "breaker"]
    if per_hour:
        assert all(
            sum(first <= at < first + 3600 for at in limited) <= per_hour + policy.burst for first in limited
        )
    if at_night:
        walls = (receiver.wall + timedelta(seconds=at) for at in limited)
        assert not [wall for wall in walls if wall.hour >= 22 or wall.hour < 6]


@given(
    st.lists(
        st.tuples(st.floats(0, 900), st.sampled_from(["drift", "breaker", "limited", "restart"])), max_size=80
    ),
    st.sampled_from([0.0, 600.0]),
    st.booleans(),
)
def test_restarts_lose_no_notice_and_repeat_none(
    steps: list[tuple[float, str]], gather: float, at_night: bool
) -> None:
    policy = NoticePolicy(
        gather=gather, per_hour=6, quiet=(NIGHT,) if at_night else (), critical=frozenset({"breaker"})
    )
    receiver = Receiver(policy, wall=START.replace(hour=20))
    happened: list[str] = []
    for pause, kind in steps:
        if kind == "restart":
            receiver.until(receiver.now + pause)
            receiver.outbox = restored(unsent(receiver.outbox, policy), policy, receiver.now)
        else:
            happened.append(f"{kind} {len(happened)}")
            receiver.happens(receiver.now + pause, event(kind, happened[-1]))
    receiver.until(receiver.now + 24 * 3600)
    assert sum(each.detail.get("events", 1) for _, each in receiver.told) == len(happened)
    single = [each.text for _, each in receiver.told if each.kind == "breaker"]
    assert single == [text for text in happened if text.startswith("breaker")], (
        "at once, also after a restart"
    )


def test_a_recovery_that_waits_survives_a_restart() -> None:
    receiver = Receiver()
    receiver.happens(0, outage(), outage("BTCUSDT"))
    receiver.happens(60, recovery())
    assert len(receiver.received) == 1
    receiver.outbox = restored(unsent(receiver.outbox, AT_ONCE), AT_ONCE, receiver.now)
    receiver.happens(61, outage("BTCUSDT"))
    receiver.until(600)
    assert receiver.received[1:] == [
        "recovery main: positions recovered",
        "outage main BTCUSDT: BTCUSDT: no answer",
    ]


@pytest.mark.parametrize(
    ("kinds", "mute", "told"),
    [
        ((), (), {"drift", "outage"}),
        (("*",), (), {"drift", "outage", "filled"}),
        (("filled",), (), {"filled"}),
        ((), ("drift",), {"outage"}),
        (("*",), ("filled",), {"drift", "outage"}),
    ],
)
def test_which_kinds_are_notified(kinds: Iterable[str], mute: Iterable[str], told: set[str]) -> None:
    policy = NoticePolicy(kinds=frozenset(kinds), mute=frozenset(mute))
    assert {kind for kind in ("drift", "outage", "filled") if policy.wants(kind)} == told


def test_what_is_gathered_is_bounded_and_the_rest_counted() -> None:
    receiver = Receiver(replace(AT_ONCE, quiet=(NIGHT,)), wall=START.replace(hour=23))
    receiver.happens(0, *(event("drift", str(number)) for number in range(MOST + 7)))
    assert (receiver.outbox.waiting, receiver.outbox.dropped) == (MOST, 7)
