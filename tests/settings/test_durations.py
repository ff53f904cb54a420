"""A duration is written as people write it, and nothing else is accepted."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from te_core.contracts.options import parse_duration

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
PARTS = st.lists(st.tuples(st.integers(0, 9999), st.sampled_from(list(UNITS))), min_size=1, max_size=5)
GAPS = st.sampled_from(["", " ", "  "])


@given(PARTS, GAPS, GAPS, st.booleans())
def test_parts_add_up_however_they_are_spaced(
    parts: list[tuple[int, str]], inner: str, outer: str, capitals: bool
) -> None:
    text = outer.join(f"{number}{inner}{unit}" for number, unit in parts) + outer
    expected = timedelta(milliseconds=sum(number * UNITS[unit] for number, unit in parts))
    found = parse_duration(text.upper() if capitals else text)
    assert isinstance(found, timedelta)
    assert found == expected


@given(st.integers(0, 10**9), st.booleans())
def test_a_number_is_seconds_also_as_a_text(seconds: int, as_text: bool) -> None:
    assert parse_duration(str(seconds) if as_text else seconds) == timedelta(seconds=seconds)


@given(st.text())
@example("9" * 400 + "d")
@example("1h 30")
@example("-5s")
@example("1e3s")
@example("5 parsecs")
def test_any_other_text_is_refused_and_never_a_crash(text: str) -> None:
    found: object = None
    with suppress(ValueError):
        found = parse_duration(text)
    if found is not None:
        assert isinstance(found, timedelta)
        assert found >= timedelta(0)
        assert any(character.isdigit() for character in text)


@pytest.mark.parametrize("value", [True, float("inf"), float("nan"), "", " ", "s", "1h x", "1..5s"])
def test_an_invalid_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"duration|NaN"):
        parse_duration(value)
