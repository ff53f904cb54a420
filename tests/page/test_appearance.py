"""The HTML of the parts: every state has words and a sign, and all content is text."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from te_core.clock import SystemClock
from te_core.page.ages import aged
from te_core.page.drawing import Drawing
from te_core.page.live import MOST_WAITING, _Viewer
from te_core.page.sessions import Role, Session
from te_core.page.shown import NO_EQUITY_CURVE, Attention, Row, Timestamps, parts_of, slug, with_items
from te_core.page.site import FILTERS, WORDS
from te_core.page.turns import Turns
from te_core.reporting.view import Cell, Item, Mark, Severity, SymbolRow, view
from tests.reporting.made_states import states

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
EVIL = "<script>alert(1)</script>\u202e\x1b[31m\u2009&\"'"


@pytest.fixture(scope="module")
def drawing() -> Drawing:
    made = Drawing(SystemClock(), FILTERS, WORDS)
    asyncio.run(made.ready())
    return made


def cell(mark: Mark, size: str | None, **more: Any) -> Cell:
    amount = None if size is None else Decimal(size)
    return Cell(
        account="main",
        symbol="BTCUSDT",
        mark=mark,
        size=amount,
        as_last_seen=mark is Mark.UNKNOWN,
        price=Decimal(50),
        worth=None if amount is None else amount * 50,
        unrealised=None if amount is None else Decimal("0.5"),
        counts=True,
        quantity=Decimal(1),
        **more,
    )


def row(*cells: Cell, symbol: str = "BTCUSDT") -> Row:
    made = SymbolRow(
        symbol=symbol,
        in_settings=True,
        leverage=Decimal(1),
        depth=Decimal(1),
        opinions=(),
        cells=cells,
        net=Decimal(1),
        unrealised=None,
    )
    return Row(row=made, sources=(), opinions={})


def seen(html: str) -> str:
    """Return what is visible without colour: signs and numbers, without text for screen readers only."""
    html = re.sub(r'<span class="sr">.*?</span>', "", html)
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def read_aloud(html: str) -> str:
    """Return what a screen reader reads out."""
    html = re.sub(r'<(\w+)[^>]* aria-hidden="true".*?</\1>', "", html)
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_no_two_states_of_a_cell_differ_by_colour_alone(drawing: Drawing) -> None:
    sides = ("1", "-1", "0")
    states = [(mark, size) for mark in Mark for size in sides if mark is not Mark.NO_TARGET]
    drawn = {state: drawing.part("r-BTCUSDT", row(cell(*state))) for state in states}
    for one, other in combinations(states, 2):
        assert seen(drawn[one]) != seen(drawn[other]), f"{one} looks like {other}"
        assert read_aloud(drawn[one]) != read_aloud(drawn[other]), f"{one} sounds like {other}"


def test_a_cell_that_is_not_known_is_never_a_number(drawing: Drawing) -> None:
    html = drawing.part("r-BTCUSDT", row(cell(Mark.UNKNOWN, None)))
    assert "unknown" in html
    assert not re.search(r"\d", seen(html).replace("BTC", "").partition("USDT")[2].replace("+1", ""))
    assert "flat" not in read_aloud(html)


def test_texts_of_exchanges_and_plugins_are_escaped(drawing: Drawing) -> None:
    item = Item(
        severity=Severity.CRITICAL,
        kind="account",
        title=EVIL,
        text=EVIL,
        detail=EVIL + "more",
        remedy=EVIL,
        accounts=(EVIL,),
        symbols=(EVIL,),
        since=NOW,
    )
    parts = [
        drawing.part("attention", Attention(items=(item,), more=(item,), notes=(item,), ground=EVIL)),
        drawing.part("r-x", row(replace(cell(Mark.FOREIGN, "1"), account=EVIL, symbol=EVIL), symbol=EVIL)),
    ]
    for html in parts:
        assert "<script" not in html
        assert "\u202e" not in html
        assert "\x1b" not in html
        assert "\u2009" not in html
        for quoted in re.findall(r'(?:id|href|data-keep)="([^"]*)"', html):
            assert not re.search(r"[<>\s]", quoted), quoted
    assert slug(EVIL).isascii()


def test_numbers_do_not_break_where_their_thousands_part(drawing: Drawing) -> None:
    html = drawing.part("r-BTCUSDT", row(replace(cell(Mark.AT_TARGET, "12345"), worth=Decimal(12345))))
    assert "12\u202f345" in html


def test_a_nearly_equal_timestamp_stays_the_same() -> None:
    timestamps = Timestamps()
    first = timestamps.of(NOW, 10.0, "account", "a")
    assert timestamps.of(NOW, 9.4, "account", "a") == first
    assert timestamps.of(NOW, 3.0, "account", "a") != first
    assert timestamps.of(NOW, None, "account", "b") is None


@given(states())
@settings(max_examples=30)
def test_every_state_can_be_drawn_and_is_well_formed(drawing: Drawing, state: dict[str, Any]) -> None:
    found = view(state)

    async def parts() -> dict[str, Any]:
        return await parts_of(found, NO_EQUITY_CURVE, (), Timestamps(), Turns(SystemClock()))

    values = asyncio.run(parts())
    assert {name for name in values if name.startswith("r-")} == {f"r-{row.symbol}" for row in found.symbols}
    for name, value in values.items():
        html = drawing.part(name, value)
        root = ElementTree.fromstring(html.replace(" data-sheet", ""))
        assert root.get("data-part") == name, "one element, which a patch replaces"
        assert aged(html, NOW).count("></time>") == 0


@given(states())
@settings(max_examples=10)
def test_a_refusal_that_a_source_warns_of_too_is_one_card(state: dict[str, Any]) -> None:
    found = view(state)
    text = 'Symbol: "X" is not mapped.'
    warned = Item(severity=Severity.WARNING, kind="source", title="source tv warns", text=text)
    text = 'Latest from tv: symbol: "X" is not mapped'
    refused = Item(severity=Severity.WARNING, kind="refused", title="1 alert refused in 24 h", text=text)
    shown = with_items(replace(found, attention=(warned,)), (refused,))
    assert shown.attention == (refused,)
    assert with_items(replace(found, attention=(warned,)), ()).attention == (warned,)


class Transport:
    aborted = False

    def abort(self) -> None:
        self.aborted = True


async def test_a_viewer_that_does_not_read_is_cut_off() -> None:
    class Request:
        transport = Transport()

    session = Session(key="abcd", role=Role.VIEW, until=NOW)
    viewer = _Viewer(Request(), session, "")  # type: ignore[arg-type]
    for _ in range(MOST_WAITING):
        viewer.put(b"event")
    assert not Request.transport.aborted
    viewer.put(b"one too many")
    assert Request.transport.aborted


def test_the_script_is_small_and_uses_no_other() -> None:
    text = (ROOT / "te_core" / "page" / "static" / "app.js").read_text()
    assert "import" not in text
    assert "eval(" not in text
    assert text.count("innerHTML") == 1, "one place where HTML is taken, and only ours"


def test_an_engine_without_viewers_never_loads_templates() -> None:
    code = "import te_core.app.application, sys; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
