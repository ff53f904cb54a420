"""History: sums of lines, gaps, drawdowns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from te_core.page.past import drawdown, summed, with_gaps

BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
amounts = st.decimals(min_value=0, max_value=10**6, places=2)
timestamps = st.integers(min_value=0, max_value=500).map(lambda minutes: BEGIN + minutes * MINUTE)
points_of_one = st.lists(st.tuples(timestamps, amounts), max_size=8).map(
    lambda points: sorted(dict(points).items())
)
lines = st.lists(points_of_one, max_size=4)


@given(lines)
def test_a_sum_of_accounts_is_never_without_one_of_them(found: list[list[tuple[datetime, Decimal]]]) -> None:
    whole = summed(found)
    assert [at for at, _ in whole] == sorted({at for points in found for at, _ in points})
    for at, value in whole:
        parts = [
            next((v for t, v in reversed(points) if t <= at), points[0][1]) for points in found if points
        ]
        assert value == sum(parts)


def test_an_unreadable_account_counts_as_last_seen() -> None:
    first = [(BEGIN + minute * MINUTE, Decimal(100)) for minute in range(10)]
    lost = [(BEGIN + minute * MINUTE, Decimal(50)) for minute in range(3)]
    late = [(BEGIN + minute * MINUTE, Decimal(7)) for minute in range(8, 10)]
    assert {value for _, value in summed([first, lost, late, []])} == {Decimal(157)}


def test_where_nothing_was_recorded_the_line_has_a_gap() -> None:
    points = [(BEGIN, Decimal(1)), (BEGIN + 5 * MINUTE, Decimal(2)), (BEGIN + 60 * MINUTE, Decimal(3))]
    assert [value for _, value in with_gaps(points, MINUTE)] == [1, 2, None, 3]
    assert with_gaps(points, 30 * MINUTE) == points


@given(st.lists(amounts, max_size=20))
def test_a_fall_from_a_peak_is_a_share_of_the_peak(values: list[Decimal]) -> None:
    found = drawdown(values)
    falls = [
        (peak - low) / peak
        for index, peak in enumerate(values)
        for low in values[index:]
        if peak > 0 and peak == max(values[: index + 1])
    ]
    assert found == (max(falls) if falls else None)
