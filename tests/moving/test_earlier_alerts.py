"""The last signal in the earlier program's logs: the worked examples of its ordering rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from te_core.moving.earlier_alerts import Alert, in_order, parse_lines
from te_core.moving.earlier_files import Notes
from tests.moving.earlier import line

START = datetime(2026, 3, 12, 10, 0, 0)  # noqa: DTZ001 - logs have local times

OPEN, FLAT, UNKNOWN = True, False, None

EXAMPLES: Sequence[tuple[int, bool | None, str, str, float]] = (
    # prior, lines as "direction size seconds [seq=N | event=X]", depth and time of the result
    (1, OPEN, "short 50 .100; flat 0 .200", "-0.5", 0.101),
    (2, FLAT, "short 50 .100; flat 0 .200", "0", 0.2),
    (3, UNKNOWN, "short 50 .100; flat 0 .200", "0", 0.2),
    (4, OPEN, "flat 0 .100; long 50 .200", "0.5", 0.2),
    (5, FLAT, "flat 0 .100; long 50 .200", "0", 0.101),
    (6, UNKNOWN, "flat 0 .100; long 50 .200", "0.5", 0.2),
    (7, OPEN, "long 50 0; flat 0 5.000000", "0.5", 0.001),
    (8, OPEN, "long 50 0; flat 0 5.000001", "0", 5.000001),
    (9, UNKNOWN, "flat 0 0; long 50 0", "0.5", 0.001),
    (10, OPEN, "long 50 .100 seq=1; flat 0 .100 seq=2", "0", 0.101),
    (11, FLAT, "long 50 .100 seq=8; flat 0 .900 seq=7", "0.5", 0.101),
    (12, OPEN, "flat 0 .100 event=9; long 50 .200 event=10", "0", 0.101),
    (13, OPEN, "long 50 .100 seq=1; flat 0 .200 event=2", "0.5", 0.101),
    (14, OPEN, "long 50 .100 seq=1; flat 0 .200 seq=1", "0.5", 0.101),
    (15, OPEN, "long 50 0; flat 0 1; short 50 2", "-0.5", 2),
    (16, OPEN, "long 80 0; flat 0 3", "0.8", 0.001),
    (17, FLAT, "flat 0 0; long 50 4", "0", 0.001),
    (20, OPEN, "flat 0 0; short 50 .010; flat 0 5.010; short 50 5.020", "-0.5", 5.02),
    (21, OPEN, "short 50 .010; flat 0 5.300", "0", 5.3),
    (22, OPEN, "flat 0 0; short 50 .5; flat 0 1.0", "0", 1.0),
    (23, OPEN, "long 50 0; short 50 1", "-0.5", 1),
    (24, OPEN, "long 80 0 seq=2; long 50 .5 seq=1", "0.5", 0.5),
)


def parsed(text: str) -> list[Alert]:
    lines = []
    for each in text.split("; "):
        direction, size, seconds, *more = each.split()
        fields = {name: value for name, _, value in (part.partition("=") for part in more)}
        named = {{"seq": "signal_seq", "event": "event_id"}[name]: value for name, value in fields.items()}
        at = START + timedelta(seconds=float(seconds))
        lines.append(line(at, "ETHUSDT", direction, f"{size}/100", **named))
    notes = Notes()
    found = list(parse_lines(lines, "day.log", {}, notes))
    assert not notes.lines
    return found


@pytest.mark.parametrize(("number", "prior", "lines", "depth", "seconds"), EXAMPLES)
def test_lines_come_to_what_the_earlier_program_ended_at(
    number: int, prior: bool | None, lines: str, depth: str, seconds: float
) -> None:
    del number
    *_, last = in_order(parsed(lines), prior)
    assert last.depth == Decimal(depth)
    assert last.at == START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-03-12 10:00:00 {}\n", "not a time and an alert"),
        ("2026-03-12 10:00:00.000001 {\n", "not a time and an alert"),
        ("2026-03-12 10:00:00.000001 []\n", "no symbol"),
        (line(START, "", "long", "5/100"), "no symbol"),
        (line(START, "ETHUSDT", "buy", "5/100"), "no direction"),
        (line(START, "ETHUSDT", "long", "Exit @ 5"), "no size"),
        (line(START, "ETHUSDT", "long", "1/0"), "no size"),
        (line(START, "ETHUSDT", "long", "nan/100"), "no size"),
        (line(START, "ETHUSDT", "long", "5/100", price=""), "no price"),
    ],
)
def test_a_line_that_never_counted_is_left_out_and_named(text: str, reason: str) -> None:
    notes = Notes()
    assert not list(parse_lines([text], "day.log", {}, notes))
    assert notes.lines == [f"day.log: 1 lines were ignored by the earlier program, too: {reason}"]


def test_a_line_says_symbol_side_size_leverage_and_price() -> None:
    old = (
        '2024-08-01 01:00:31.328625 {"symbol": "BTCUSDT.P", "direction": "short", "leverage": "3", '
        '"size": "15/100", "order_price": 64617.05}'
    )
    (alert,) = parse_lines(["# a comment", "", old], "day.log", {"BTCUSDT.P": "BTCUSDT"}, Notes())
    assert (alert.symbol, alert.spelling, alert.depth) == ("BTCUSDT", "BTCUSDT.P", Decimal("-0.15"))
    assert (alert.leverage, alert.price, alert.line) == (Decimal(3), None, 3)
    (other,) = parse_lines([line(START, "X", "long", "-14.08/100", price="12.5")], "d", {}, Notes())
    assert (other.depth, other.price) == (Decimal("-0.1408"), Decimal("12.5"))  # the number's sign wins
