"""Numbers for people: short, complete, without a misleading sign or exponent."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.reporting.figures import MINUS, THIN, age, compact, figure, percent

D = Decimal
ANY = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)
TINY = st.decimals(allow_nan=False, allow_infinity=False, min_value=D("-1e-20"), max_value=D("1e-20"))
WRITTEN = re.compile(rf"[{MINUS}+]?\d{{1,3}}({THIN}\d{{3}})*(\.\d+)?[kMGTPE]?")


@given(ANY | TINY, st.none() | st.integers(min_value=0, max_value=4), st.booleans())
def test_a_figure_is_short_and_plain(value: Decimal, places: int | None, signed: bool) -> None:
    text = figure(value, places=places, signed=signed)
    assert WRITTEN.fullmatch(text), text
    significant = re.sub(r"\D", "", text).lstrip("0")
    assert len(significant) <= 6
    zero = not re.search("[1-9]", text)
    assert (MINUS in text) == (value < 0 and not zero)
    assert "+" not in text or (signed and value > 0 and not zero)


@given(st.decimals(min_value=D("0.000001"), max_value=10**23, allow_nan=False))
def test_a_figure_is_the_number_to_six_digits(value: Decimal) -> None:
    unit = {"k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
    text = figure(value).replace(THIN, "")
    read = D(text.rstrip("kMGTPE")).scaleb(unit.get(text[-1], 0))
    assert abs(read - value) <= value * D("0.00001")


@given(ANY)
def test_a_short_sum_is_brief_and_never_shown_as_zero(value: Decimal) -> None:
    text = compact(value, signed=True)
    assert len(text) <= 6 or abs(value) >= 9 * 10**20
    if value:
        assert re.search("[1-9]", text)
        assert text[0] == (MINUS if value < 0 else "+")
    else:
        assert text == "0"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("79352.4", f"79{THIN}352.4"),
        ("-0.0155", f"{MINUS}0.0155"),
        ("1234567.89", "1.23457M"),
        ("999999.7", "1M"),
        ("-0.0000000000000001", "0"),
        ("-0", "0"),
        ("65000", f"65{THIN}000"),
        ("0.00001234567", "0.0000123457"),
        ("1E+3", f"1{THIN}000"),
    ],
)
def test_figures_as_they_are_read(value: str, written: str) -> None:
    assert figure(D(value)) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("0", "0"), ("725.4", "725"), ("-1249", f"{MINUS}1.2k"), ("52327", "52k"), ("123456", "123k"),
        ("999.6", "1k"), ("9.96", "10"), ("0.4", "0.4"), ("0.04", "<0.1"), ("-0.04", f"{MINUS}<0.1"),
    ],
)  # fmt: skip
def test_short_sums_as_they_are_read(value: str, written: str) -> None:
    assert compact(D(value)) == written


def test_what_is_not_known_is_not_nothing() -> None:
    assert {figure(None), compact(None), percent(None), age(None), figure(D("NaN"))} == {"?"}


def test_columns_line_up() -> None:
    assert [figure(D(text), places=1) for text in ("0", "-0.04", "-0.74", "1.13", "9")] == [
        "0.0", "0.0", f"{MINUS}0.7", "1.1", "9.0",
    ]  # fmt: skip
    assert [figure(D(text), places=0) for text in ("9700.4", "19831.6")] == [f"9{THIN}700", f"19{THIN}832"]
    assert percent(D("0.3749")) == "37%"


def test_ages() -> None:
    assert [age(s) for s in (0, 17.9, 60, 700, 7200, 100_000, 400_000)] == [
        "0s", "17s", "1m", "11m", "2h", "1d", "4d",
    ]  # fmt: skip
