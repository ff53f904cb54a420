"""Times as people say them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.cli.failure import Failure
from te_core.cli.since import period, since, until

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(
    2026, 3, 31, 12, 30, tzinfo=UTC
)  # a Tuesday, 14:30 in Berlin, two days after its clocks went forward


@pytest.mark.parametrize(
    ("said", "begins"),
    [
        ("now", "2026-03-31T12:30"), ("90s", "2026-03-31T12:28:30"), ("2h", "2026-03-31T10:30"),
        ("1h30m", "2026-03-31T11:00"), ("1.5 hours ago", "2026-03-31T11:00"), ("3 days", "2026-03-28T12:30"),
        ("2w", "2026-03-17T12:30"), ("10 mins", "2026-03-31T12:20"),
        ("today", "2026-03-30T22:00"), ("yesterday", "2026-03-29T22:00"), ("Yesterday  18:30", "2026-03-30T16:30"),
        ("tue", "2026-03-30T22:00"), ("last tue", "2026-03-23T23:00"), ("fri", "2026-03-26T23:00"),
        ("last friday", "2026-03-26T23:00"), ("sunday", "2026-03-28T23:00"), ("fri 14:00", "2026-03-27T13:00"),
        ("14:00", "2026-03-31T12:00"), ("18:30", "2026-03-30T16:30"), ("this week", "2026-03-29T22:00"),
        ("this month", "2026-02-28T23:00"), ("2026-03", "2026-02-28T23:00"),
        ("2026-03-01", "2026-02-28T23:00"), ("2026-03-30 08:00", "2026-03-30T06:00"),
        ("2026-03-01T12:00Z", "2026-03-01T12:00"), ("2026-03-01T12:00:00.5+02:00", "2026-03-01T10:00:00.5"),
        ("1950-01-01", "1970-01-02T00:00"),
    ],
)  # fmt: skip
def test_a_time_begins(said: str, begins: str) -> None:
    assert since(said, NOW, zone=BERLIN) == datetime.fromisoformat(begins).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        ("2h", "2026-03-31T10:30"), ("yesterday", "2026-03-30T22:00"), ("sunday", "2026-03-29T22:00"),
        ("2026-03-28", "2026-03-28T23:00"), ("2026-02", "2026-02-28T23:00"), ("this week", "2026-03-31T22:00"),
        ("fri 14:00", "2026-03-27T13:00"), ("2026-03-30T08:00", "2026-03-30T06:00"),
    ],
)  # fmt: skip
def test_a_day_ends_with_the_next_one(said: str, ends: str) -> None:
    assert until(said, NOW, zone=BERLIN) == datetime.fromisoformat(ends).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "said",
    ["", "soon", "fr", "2", "h", "1x", "2026-13-01", "2026-02-30", "25:00", "99999999999999d", "mon tue"],
)
def test_an_invalid_time_is_refused_with_examples(said: str) -> None:
    with pytest.raises(Failure, match="is not a time") as refused:
        since(said, NOW)
    assert "yesterday" in refused.value.next_step
    assert refused.value.code == 2


def test_a_period_is_not_upside_down() -> None:
    assert period("", "", NOW) == (None, None)
    begin, end = period("fri", "sun", NOW, zone=BERLIN)
    assert begin is not None
    assert end is not None
    assert end - begin == timedelta(days=3, hours=-1), "one hour of that weekend is missing there"
    with pytest.raises(Failure, match="is not after"):
        period("sun", "fri", NOW, zone=BERLIN)


@given(st.text(max_size=12) | st.from_regex(r"[a-z0-9 :.-]{0,12}", fullmatch=True))
def test_whatever_is_typed_is_a_time_or_refused(said: str) -> None:
    with suppress(Failure):
        assert since(said, NOW, zone=BERLIN) <= until(said, NOW, zone=BERLIN)
