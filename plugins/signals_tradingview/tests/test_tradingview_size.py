"""Size and direction become a signed depth: the rules of the predecessor, with its faults corrected."""

from __future__ import annotations

from decimal import Decimal

import pytest

from te_core.api import SignalRejected
from te_signals_tradingview.formats.fields import Direction
from te_signals_tradingview.formats.size import depth

LONG, SHORT, FLAT = Direction.LONG, Direction.SHORT, Direction.FLAT


@pytest.mark.parametrize(
    ("size", "direction", "expected"),
    [
        ("14.08/100", LONG, "0.1408"),
        ("33.78/100", LONG, "0.3378"),
        ("5.8/100", SHORT, "-0.058"),
        ("-5.8/100", SHORT, "-0.058"),
        ("0/100", LONG, "0"),
        ("-0/100", LONG, "0"),
        ("0/100", SHORT, "0"),
        ("100/100", SHORT, "-1"),
        ("1/1", LONG, "1"),
        (" 5 / 100 ".strip(), LONG, "0.05"),
        ("1e1/100", LONG, "0.1"),
        ("+.5", LONG, "0.5"),
        ("0.5", LONG, "0.5"),
        ("1", LONG, "1"),
        ("-0.25", SHORT, "-0.25"),
        ("50%", LONG, "0.5"),
        ("12.5 %", SHORT, "-0.125"),
        ("-50%", SHORT, "-0.5"),
        ("0.015000000074999988/1", LONG, "0.015000000074999988"),
    ],
)
def test_a_size_is_a_share_of_the_whole(size: str, direction: Direction, expected: str) -> None:
    assert depth(size, direction) == Decimal(expected)


@pytest.mark.parametrize(
    "size", [None, "Exit @ 3263.55", "-0.18000000090000007/1", "14.08/100", "nonsense", "1/0"]
)
def test_flat_ignores_the_size(size: str | None) -> None:
    assert depth(size, FLAT) == 0


@pytest.mark.parametrize("size", ["Exit @ 3263.55", "exit", "EXIT 5"])
def test_a_size_that_says_exit_is_flat_without_a_direction(size: str) -> None:
    assert depth(size, None) == 0


@pytest.mark.parametrize(
    ("size", "action", "expected"),
    [
        ("14.08/100", "buy", "0.1408"),
        ("14.08/100", None, "0.1408"),
        ("-14.08/100", "sell", "-0.1408"),
        ("-0", None, "0"),
    ],
)
def test_without_a_direction_the_sign_decides(size: str, action: str | None, expected: str) -> None:
    assert depth(size, None, action) == Decimal(expected)
    assert not depth(size, None, action).is_signed() or expected.startswith("-")


@pytest.mark.parametrize(
    ("size", "direction", "why_the_predecessor_differs"),
    [
        ("-14.08/100", LONG, "the sign won silently (T16)"),
        ("Exit @ 3263.55", LONG, "answered 200, then dropped (T3)"),
        ("Exit @ 3263.55", SHORT, "answered 200, then dropped (T3)"),
        ("nan/100", LONG, "froze the symbol (T4)"),
        ("inf/100", LONG, "accepted (T4)"),
        ("1/nan", LONG, "accepted (T4)"),
        ("1/0", LONG, "answered 200, then dropped (T3)"),
        ("1/-100", LONG, "took the denominator without its sign"),
        ("1e3/100", LONG, "accepted a depth of 10"),
        ("-150/100", SHORT, "accepted a depth of -1.5"),
        ("150%", SHORT, "did not know percent"),
        ("14.08", LONG, "refused as well: a share is at most 1"),
        ("1.0000000001", LONG, "refused as well"),
        ("1/2/3", LONG, "refused as well"),
        ("", LONG, "refused as well"),
        ("/", LONG, "refused as well"),
        ("5/", LONG, "refused as well"),
        ("%", LONG, "refused as well"),
        ("٣/100", LONG, "took digits of every script"),
        ("1_0/100", LONG, "took Python's underscores"),
        ("14,08/100", LONG, "refused as well"),
        ("Long", LONG, "refused as well: the order's id, where it has no comment"),
        ("1e999/1e999", LONG, "infinite"),
        ("0x10/100", LONG, "refused as well"),
    ],
)
def test_a_size_that_is_wrong_or_contradicts_is_refused(
    size: str, direction: Direction, why_the_predecessor_differs: str
) -> None:
    with pytest.raises(SignalRejected) as refusal:
        depth(size, direction)
    assert refusal.value.field == "size"
    assert refusal.value.reason


def test_a_missing_size_names_what_is_missing() -> None:
    with pytest.raises(SignalRejected, match="size: is missing"):
        depth(None, LONG)
    with pytest.raises(SignalRejected, match="direction: is missing"):
        depth(None, None)


def test_a_sell_without_a_direction_is_ambiguous() -> None:
    with pytest.raises(SignalRejected) as refusal:
        depth("14.08/100", None, "sell")
    assert refusal.value.field == "direction"
