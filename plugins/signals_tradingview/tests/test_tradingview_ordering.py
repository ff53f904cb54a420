"""One function decides which alert takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from te_core.api import Signal
from te_core.testing import virtual_clock
from te_signals_tradingview.formats.alert import Alert
from te_signals_tradingview.ordering.trust import order_alert

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def arriving(sequence: str | None) -> Alert:
    return Alert(symbol="BTCUSDT", depth=Decimal("0.5"), received_at=NOW, sequence=sequence)


def in_force(sequence: str | None) -> Signal:
    return Signal(
        source="tv", symbol="BTCUSDT", depth=Decimal(0), time=NOW, received_at=NOW, sequence=sequence
    )


def test_the_first_signal_is_current() -> None:
    decision = order_alert(arriving("7"), latest=None)
    assert (decision.current, decision.rule) == (True, "first")


@pytest.mark.parametrize(
    ("old", "new", "current", "rule"),
    [
        ("9", "10", True, "sequence"),  # the predecessor compared event ids as text: "10" < "9" (T14)
        ("10", "9", False, "sequence"),
        ("2", "1", False, "sequence"),  # it ignored sequences outside flat and position pairs (T15)
        ("1.5", "1.25", False, "sequence"),
        ("1e3", "999", False, "sequence"),
        ("-2", "-1", True, "sequence"),
        ("7", "7.0", True, "arrival"),
        ("7", "7", True, "arrival"),
        ("run-9", "run-10", True, "sequence"),
        ("run-10", "run-9", False, "sequence"),
        ("a", "b", True, "sequence"),
        ("2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z", False, "sequence"),
        ("10", "run-9", True, "arrival"),
        ("run-9", "10", True, "arrival"),
        (None, "1", True, "arrival"),
        ("1", None, True, "arrival"),
        (None, None, True, "arrival"),
    ],
)
def test_sequences_decide_if_both_have_one(
    old: str | None, new: str | None, current: bool, rule: str
) -> None:
    decision = order_alert(arriving(new), latest=in_force(old))
    assert (decision.current, decision.rule) == (current, rule)


@given(
    st.lists(
        st.one_of(st.integers(-(10**60), 10**60), st.decimals(-10, 10, places=3)),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
def test_numeric_sequences_compare_as_numbers(numbers: list[Any]) -> None:
    for old, new in permutations(numbers, 2):
        assert order_alert(arriving(str(new)), latest=in_force(str(old))).current == (new >= old)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_text_sequences_have_a_total_order(first: str, second: str, third: str) -> None:
    texts = [f"x{text}" for text in (first, second, third)]

    def newest(order: tuple[str, ...]) -> str:
        latest = order[0]
        for text in order[1:]:
            latest = text if order_alert(arriving(text), latest=in_force(latest)).current else latest
        return latest

    ends = {newest(order) for order in permutations(texts)}
    assert all(order_alert(arriving(a), latest=in_force(b)).rule == "arrival" for a in ends for b in ends)


@settings(deadline=None)
@given(st.data())
def test_any_order_of_arrival_ends_at_the_highest_sequence(
    make_harness: Callable[..., Any], data: Any
) -> None:
    sequences = data.draw(st.lists(st.integers(0, 10**20), min_size=1, max_size=8, unique=True))
    depths = data.draw(st.lists(st.integers(0, 100), min_size=len(sequences), max_size=len(sequences)))
    bodies = [
        {"symbol": "ETHUSDT", "direction": "long", "size": f"{depth}%", "signal_seq": sequence}
        for sequence, depth in zip(sequences, depths, strict=True)
    ]
    repeated = data.draw(st.lists(st.sampled_from(bodies), max_size=8))
    arrivals = data.draw(st.permutations(bodies + repeated))
    seconds = data.draw(st.lists(st.integers(0, 40), min_size=len(arrivals), max_size=len(arrivals)))

    async def deliver() -> None:
        harness = make_harness()
        for body, pause in zip(arrivals, seconds, strict=True):
            await asyncio.sleep(pause)
            assert (await harness.post(body)).status == 200
        highest = max(zip(sequences, depths, strict=True))
        assert harness.recorder.depths() == {"ETHUSDT": Decimal(highest[1]) / 100}

    virtual_clock.run(deliver())
