"""A month on one page: its content, and that all of it is plain text."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from te_core.reporting.month_report import GROUPINGS, html, markdown, month_reports

EVIL = '<img src=x onerror="alert(1)">|*'


def row(key: str, result: str, **more: Any) -> dict[str, Any]:
    sums = {
        "before_fees": "5",
        "fees": "1",
        "realised": "5",
        "unrealised": "0",
        "funding": "-2",
        "turnover": "12345",
    }
    about = {"key": key, "paper": False, "currency": "USDT", "untold": "0", "fills": 3}
    return {**about, **sums, "result": result, **more}


def answers(
    *totals: dict[str, Any], left_out: tuple[str, ...] = (), **rows: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        by: {"rows": rows.get(by, []), "totals": list(totals), "left_out": list(left_out)} for by in GROUPINGS
    }


def total(result: str = "4", **more: Any) -> dict[str, Any]:
    worth = {"equity_before": "1000", "equity_after": "1504", "transfers": "500", "equity_as_of": None}
    return {**row("total", result), **worth, **more}


class Tags(HTMLParser):
    """Collects the elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]


def test_it_shows_profit_deposits_and_what_is_incomplete() -> None:
    days = [row("2026-11-03", "-6"), row("2026-11-04", "10")]
    found = answers(total(), left_out=("3 fills without a price",), day=days, symbol=[row("BTCUSDT", "4")])
    text = markdown(month_reports("2026-11", found, complete=False))
    for line in (
        "# Report 2026-11 USDT (so far)",
        "* Profit after fees: +4.00, +0.40% of the value before",
        "* Fees: 1.00; funding: \N{MINUS SIGN}2.00",
        "paid in: 500.00",
        "* Days with profit: 1 of 2; best: 2026-11-04 (+10.00); worst: 2026-11-03 (\N{MINUS SIGN}6.00)",
        "* Incomplete: 3 fills without a price",
        "| BTCUSDT | +4.00 | +5.00 | \N{MINUS SIGN}1.00 |",
    ):
        assert line in text


def test_what_is_not_known_is_left_out_or_a_dash() -> None:
    unknown: dict[str, Any] = dict.fromkeys(("realised", "unrealised", "funding", "turnover", "fills"))
    found = answers(total(equity_before=None), source=[row("tv", "4", **unknown), row("", "0", **unknown)])
    text = markdown(month_reports("2026-11", found, complete=True))
    assert "Worth" not in text
    assert "of the value before" not in text
    assert "| tv | +4.00 | +5.00 | \N{MINUS SIGN}1.00 | \N{EN DASH} | \N{EN DASH} | \N{EN DASH} |" in text
    assert "| no source |" in text


def test_each_kind_of_money_has_a_page_of_its_own() -> None:
    found = answers(
        total(), total("9", paper=True), account=[row("real", "4"), row("paper", "9", paper=True)]
    )
    first, second = month_reports("2026-11", found, complete=True)
    assert (first.title, second.title) == ("2026-11 USDT", "2026-11 USDT on paper")
    assert [line[0] for line in first.sections[0].rows] == ["real"]
    assert month_reports("2026-11", answers(), complete=True) == []


def test_names_are_text_and_nothing_is_fetched_or_run() -> None:
    found = answers(
        total(currency=EVIL),
        left_out=(EVIL,),
        **{by: [row(EVIL, "1", currency=EVIL)] for by in GROUPINGS},
    )
    reports = month_reports("2026-11", found, complete=True)
    page = html(reports)
    assert not {"img", "script", "link", "iframe"} & set(Tags(page).found)
    assert "&lt;img" in page
    assert "\\|" in markdown(reports)
    assert "<img" not in markdown(reports)
