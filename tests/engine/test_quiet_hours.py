"""Hours without increases, the delay after the start, and the guard against a large funding."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.api import FundingRate, NotReady
from te_core.model.hours import WEEK
from te_core.rules.hours import quiet
from te_core.settings.hours import parse_hours
from te_core.settings.schema import FundingGuardSettings, LimitSettings
from te_core.testing.fake_account import FakeAccount
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.scene import scene
from tests.engine.worker_harness import Open, WorkerHarness

D = Decimal
MONDAY = datetime(2026, 11, 30, tzinfo=UTC)


def at(text: str) -> datetime:
    """Return a time of the week that starts on Monday, 2026-11-30, in UTC."""
    day, _, time = text.partition(" ")
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun").index(day)
    hour, minute = map(int, time.split(":"))
    return MONDAY + timedelta(days=days, hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        ("22:00-06:00", ("mon 22:00", "tue 05:59", "mon 00:00", "sun 23:59"), ("mon 06:00", "sun 21:59")),
        ("sat-sun", ("sat 00:00", "sun 23:59"), ("fri 23:59", "mon 00:00")),
        ("sat,mon", ("sat 12:00", "mon 12:00"), ("sun 12:00", "tue 00:00")),
        (
            "fri-mon 23:00-01:00",
            ("fri 23:00", "tue 00:59", "sun 23:30"),
            ("fri 00:30", "tue 01:00", "thu 23:30"),
        ),
        ("fri 22:00 - sun 22:00", ("fri 22:00", "sat 12:00", "sun 21:59"), ("fri 21:59", "sun 22:00")),
        ("sun 20:00 - mon 08:00", ("sun 20:00", "mon 07:59"), ("mon 08:00", "sun 19:59")),
        ("mon-fri 14:25-14:40 America/New_York", ("mon 19:25", "fri 19:39"), ("mon 14:30", "fri 19:40")),
        ("Mon 8:00-24:00", ("mon 08:00", "mon 23:59"), ("mon 07:59", "tue 00:00")),
    ],
)
def test_hours_hold_from_their_first_minute_to_their_last(
    hours: str, inside: tuple[str, ...], outside: tuple[str, ...]
) -> None:
    parsed = (parse_hours(hours),)
    assert [moment for moment in inside if quiet(parsed, at(moment)) is None] == []
    assert [moment for moment in outside if quiet(parsed, at(moment)) is not None] == []


@given(
    st.lists(
        st.sampled_from(
            ("22:00-06:00", "sat-sun", "fri 22:00 - sun 22:00", "06:00-07:30", "mon-thu 23:00-23:05")
        ),
        min_size=1,
    ),
    st.integers(0, WEEK - 1),
    st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York")),
)
def test_they_end_at_the_first_minute_that_none_of_them_covers(
    texts: list[str], minute: int, zone: str
) -> None:
    hours = [parse_hours(f"{text} {zone}") for text in texts]
    now = MONDAY + timedelta(minutes=minute)
    found = quiet(hours, now)
    while found is not None and now < found.until:
        assert quiet(hours, now) is not None
        now += timedelta(minutes=5)


def test_the_zone_s_own_clock_counts_when_summer_time_begins() -> None:
    night = parse_hours("22:00-06:00 Europe/Berlin")
    before = datetime(2026, 3, 28, 23, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    found = quiet([night], before)
    assert found is not None
    assert found.until == datetime(2026, 3, 29, 4, 0, tzinfo=UTC)
    assert found.why == "no increases in these hours: 22:00-06:00 Europe/Berlin (until Sun 04:00 UTC)"


def test_every_day_all_day_has_an_end_to_be_looked_at_again() -> None:
    found = quiet([parse_hours("mon-sun")], MONDAY)
    assert found is not None
    assert found.until > MONDAY


async def test_nothing_is_increased_in_quiet_hours_and_closing_goes_on(
    open_harness: Open, account: FakeAccount
) -> None:
    # The virtual clock starts on Thursday at 00:00 UTC.
    harness = open_harness(hours={"BTCUSDT": ("thu 00:01-00:30",), "": ("thu 02:00-03:00",)})
    await harness.want("BTCUSDT", "0.5", wait=70)
    assert account.quantity("BTCUSDT") == D("0.1")
    await harness.want("BTCUSDT", "0.8", wait=5)
    await harness.want("ETHUSDT", "0.2", wait=5)
    assert account.quantity("BTCUSDT") == D("0.1"), "no more of it"
    assert account.quantity("ETHUSDT") == D("0.8"), "the hours are those of the other symbol"
    assert harness.worker.keepers["BTCUSDT"].status == "limited"
    assert "thu 00:01-00:30" in harness.worker.keepers["BTCUSDT"].reason
    await harness.want("BTCUSDT", "0.3", wait=5)
    assert account.quantity("BTCUSDT") == D("0.06")
    await harness.want("BTCUSDT", "-0.3", wait=5)
    assert account.quantity("BTCUSDT") == 0, "of a flip the first half is taken"
    account.calls.clear()
    await harness.go(1800 - 90 - 0.1)
    assert account.quantity("BTCUSDT") == 0
    await harness.go(1)
    assert account.quantity("BTCUSDT") == D("-0.06"), "at the end of the hours, not at the next read"


async def test_hours_that_begin_during_a_plan_end_its_increases(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(hours={"": ("thu 00:01-00:30",)}, limits=LimitSettings(order_notional=D(100)))
    await harness.go(59.9)
    sent = account.place_order

    async def slow(order: object) -> object:
        await asyncio.sleep(0.03)
        return await sent(order)  # type: ignore[arg-type]

    account.place_order = slow  # type: ignore[method-assign,assignment]
    await harness.want("BTCUSDT", "0.5", wait=10)
    assert 0 < account.quantity("BTCUSDT") < D("0.02")


async def test_nothing_is_increased_for_a_while_after_the_start(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(start_delay=45)
    await harness.want("BTCUSDT", "0.5", wait=44)
    assert account.quantity("BTCUSDT") == 0
    assert harness.worker.keepers["BTCUSDT"].reason.startswith(
        "no increases for start_delay = 45 s after the start"
    )
    await harness.go(2)
    assert account.quantity("BTCUSDT") == D("0.1")
    await harness.restart()
    account.hold("BTCUSDT", "0.2")
    await harness.go(40)
    assert account.quantity("BTCUSDT") == D("0.1"), "what is too much is cut at once"


# -- funding; the next one is 20 minutes after the start


class Announced(FakeAccount):
    """Returns the announced funding; ``reads`` counts requests, ``failing``: respond like a busy exchange."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock, equity="10000", BTCUSDT="50000", ETHUSDT="2500")
        self.rate = {"BTCUSDT": D("0.001")}
        self.at = clock.now() + timedelta(minutes=20)
        self.reads, self.failing = 0, False

    async def funding(self, symbols: Sequence[str]) -> Mapping[str, FundingRate] | None:
        self.reads += 1
        if self.failing:
            raise NotReady("busy")
        return {s: FundingRate(at=self.at, rate=rate) for s, rate in self.rate.items() if s in symbols}


def guarding(open_harness: Open, account: FakeAccount) -> WorkerHarness:
    guard = FundingGuardSettings(rate=D("0.0005"), before=timedelta(minutes=10))
    return open_harness(
        account=account, limits=LimitSettings(funding_guard=guard), symbols=("BTCUSDT", "ETHUSDT")
    )


async def test_the_side_that_pays_high_funding_is_not_increased(
    open_harness: Open, clock: VirtualClock
) -> None:
    account = Announced(clock)
    harness = guarding(open_harness, account)
    await harness.want("BTCUSDT", "0.1", wait=540)
    assert account.quantity("BTCUSDT") == D("0.02"), "twenty minutes before there is time"
    await harness.go(120)
    await harness.want("BTCUSDT", "0.5", wait=5)
    await harness.want("ETHUSDT", "0.1", wait=5)
    assert account.quantity("BTCUSDT") == D("0.02")
    assert "no increases before a funding of 0.1000% at 00:20 UTC" in harness.worker.keepers["BTCUSDT"].reason
    assert account.quantity("ETHUSDT") == D("0.4"), "a symbol without funding has nothing to guard"
    await harness.want("BTCUSDT", "-0.2", wait=5)
    assert account.quantity("BTCUSDT") == D("-0.04"), "shorts are paid"
    await harness.want("BTCUSDT", "0.2", wait=5)
    assert account.quantity("BTCUSDT") == 0
    account.at += timedelta(hours=8)
    await harness.go(540)
    assert account.quantity("BTCUSDT") == D("0.04"), "after it was paid"
    assert account.reads <= 6


async def test_a_funding_that_is_not_known_holds_increases_until_it_is(
    open_harness: Open, clock: VirtualClock
) -> None:
    account = Announced(clock)
    account.failing = True
    harness = guarding(open_harness, account)
    await harness.want("BTCUSDT", "0.1", wait=60)
    assert account.quantity("BTCUSDT") == 0
    assert "the funding rate of BTCUSDT is unknown now" in harness.worker.keepers["BTCUSDT"].reason
    account.failing = False
    await harness.go(300)
    assert account.quantity("BTCUSDT") == D("0.02")
    account.failing = True
    await harness.go(1500)
    await harness.want("BTCUSDT", "0.3", wait=5)
    assert account.quantity("BTCUSDT") == D("0.02"), "what was announced long ago is not known any more"


async def test_a_guard_without_funding_data_reports_it_has_no_effect(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = guarding(open_harness, account)
    await harness.want("BTCUSDT", "0.1", wait=600)
    assert account.quantity("BTCUSDT") == D("0.02")
    assert [event.text for event in harness.events] == [
        "limits.funding_guard has no effect here: the exchange plugin does not report funding"
    ]


async def test_the_guard_of_an_engine_sees_what_the_plugin_reports(tmp_path: Path) -> None:
    guard = {"funding_guard": {"rate": 0.0005}}
    async with scene(tmp_path, accounts__one__limits=guard) as world:
        exchange, at = world.exchange(), world.clock.now() + timedelta(minutes=9)

        async def funding(symbols: Sequence[str]) -> Mapping[str, FundingRate]:
            return {symbol: FundingRate(at=at, rate=D("0.001")) for symbol in symbols}

        exchange.funding = funding  # type: ignore[method-assign]
        await world.restart()
        await world.say("0.5")
        assert world.held() == 0
        assert "before a funding of 0.1000%" in world.row()["reason"]
        exchange.funding = lambda _: asyncio.sleep(0, {"BTCUSDT": 0.001})  # type: ignore[method-assign,assignment,dict-item]
        await world.restart()
        assert "unknown now" in world.row()["reason"], "an answer of another type is none"
