"""Charts: what is drawn, where gaps are, and that nothing can be injected into them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from te_core.page.charts import BOTTOM, COLUMNS, HEIGHT, TOP, WIDTH, Series, bars, line, spark

BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
values = st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, places=4)


def points(*numbers: str | Decimal | None) -> list[tuple[datetime, Decimal | None]]:
    return [
        (BEGIN + timedelta(hours=index), None if number is None else Decimal(number))
        for index, number in enumerate(numbers)
    ]


def drawn(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def numbers_in(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]


@given(st.lists(st.one_of(values, st.none()), max_size=40))
def test_a_line_stays_in_its_frame_with_gaps_for_unknown_values(found: list[Decimal | None]) -> None:
    picture = drawn(line([Series(name="x", points=points(*found))], number=str, summary="s", area=True))
    for path in picture.iter("path"):
        if "line" in (path.get("class") or ""):
            xs_ys = numbers_in(path.get("d") or "")
            assert all(0 <= x <= WIDTH for x in xs_ys[::2])
            assert all(-0.1 <= y <= HEIGHT for y in xs_ys[1::2])
    runs = len(re.findall(r"k+", "".join("-" if one is None else "k" for one in found)))
    assert sum("line" in (path.get("class") or "") for path in picture.iter("path")) == runs


@given(st.lists(st.one_of(values, st.none()), min_size=1, max_size=20))
def test_bars_go_up_or_down_from_zero_and_unknown_has_none(found: list[Decimal | None]) -> None:
    picture = drawn(bars([(f"d{index}", one) for index, one in enumerate(found)], number=str, summary="s"))
    known = [one for one in found if one is not None]
    rects = list(picture.iter("rect"))
    assert [rect.get("class") for rect in rects] == ["up" if one >= 0 else "down" for one in known]
    if known:
        unknown = sum(text.text == "?" for text in picture.iter("text"))
        assert unknown == len(found) - len(known)


def test_many_points_keep_their_peaks_and_become_few() -> None:
    numbers = [Decimal(index % 7) for index in range(30_000)]
    numbers[12_345], numbers[23_456] = Decimal(1000), Decimal(-1000)
    text = line([Series(name="x", points=points(*numbers))], number=str, summary="s", area=True)
    (path,) = [p for p in drawn(text).iter("path") if (p.get("class") or "").startswith("line")]
    ys = numbers_in(path.get("d") or "")[1::2]
    assert len(ys) <= COLUMNS + 2
    assert (min(ys), max(ys)) == (TOP, HEIGHT - BOTTOM)  # the highest and the lowest position in the chart


def test_names_and_numbers_are_text_and_nothing_acts() -> None:
    evil = '"><script>alert(1)</script>'
    made = [
        line([Series(name=evil, points=points("1", "2"))], number=lambda _: evil, summary=evil),
        bars([(evil, Decimal(1))], number=lambda _: evil, summary=evil),
        spark(points("1", "2"), summary=evil),
    ]
    for text in made:
        assert "<script" not in text
        assert "style" not in text  # the page's policy refuses it
        assert drawn(text).get("aria-label") == evil


def test_nothing_recorded_says_so() -> None:
    for text in (line([], number=str, summary="s"), bars([("a", None)], number=str, summary="s")):
        assert "no data for this period" in text
    assert spark(points("1"), summary="s") == ""
