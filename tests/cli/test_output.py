"""Tables fit the terminal: names and numbers stay whole, and the least important columns are dropped first."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from te_core.cli.output import FittedTable, table, to_the_second

COLUMNS = ("account", "symbol", "position", "entry", "target", "revision", "status", "read", "reason")
SPARE = ("entry", "revision", "read")
ROWS = [
    ("bybit-main", "BTCUSDT", "-0.018", "64987.5", "-0.018", 4, "at target", "22 s ago", None),
    (
        "bybit-main",
        "ETHUSDT",
        "-1.91",
        "2499.5",
        "-2.5",
        12,
        "waiting, retry in 12 s",
        "22 s ago",
        "margin " * 9,
    ),
]


def printed(shown: FittedTable, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(shown, markup=False)
    return stream.getvalue()


def positions() -> FittedTable:
    return table("Positions", COLUMNS, ROWS, spare=SPARE)


def test_a_wide_terminal_shows_every_column() -> None:
    assert positions().fitting(240) == COLUMNS


def test_a_narrow_terminal_folds_no_name_and_no_number() -> None:
    shown = printed(positions(), 90)
    for whole in ("bybit-main", "ETHUSDT", "-1.91", "-2.5", "waiting, retry in 12 s", "reason"):
        assert whole in shown
    assert "2499.5" not in shown, "what can be spared is left out first"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(width: int) -> None:
    shown = printed(positions(), width)
    assert max(map(len, shown.splitlines())) <= width
    assert shown.count("margin") == 9 or width < 60
    assert "…" not in shown


@given(st.integers(min_value=1, max_value=300))
def test_only_what_can_be_spared_is_left_out_and_in_its_order(width: int) -> None:
    shown = positions().fitting(width)
    left_out = [column for column in SPARE if column not in shown]
    assert tuple(left_out) == SPARE[: len(left_out)]
    assert [column for column in COLUMNS if column not in left_out] == list(shown)


def test_a_table_without_rows_says_so() -> None:
    assert "none" in printed(table("Signals", COLUMNS, []), 80)


def test_times_are_written_to_the_second_in_utc() -> None:
    assert to_the_second("2026-11-29T09:52:09.008415+02:00") == "2026-11-29 07:52:09Z"
    assert to_the_second(None) == ""
