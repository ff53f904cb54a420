"""A report of a month, as HTML without scripts and as Markdown, from the API's results of that month. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Any

from te_core.reporting.figures import THIN, figure

Row = tuple[str, ...]
GROUPINGS = ("account", "symbol", "source", "day")
_SUMS = ("result", "before_fees", "fees", "funding", "turnover")
_HEAD = ("profit", "before fees", "fees", "funding", "turnover", "fills")
UNBROKEN = "\N{NARROW NO-BREAK SPACE}"
_BAR = 120
"""Height of the chart of days, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table."""

    title: str
    head: Row
    rows: tuple[Row, ...]
    """Without the total, which is the last line if there is one."""
    total: Row | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthReport:
    """One kind of money in one month."""

    title: str
    facts: tuple[str, ...]
    """The first lines."""
    sections: tuple[Section, ...]
    days: tuple[tuple[str, Decimal], ...]
    """Each day's profit."""


def month_reports(month: str, answers: Mapping[str, Any], *, complete: bool) -> list[MonthReport]:
    """Return one report per kind of money: paper separate from real money, and each currency on its own.

    ``answers``: responses of ``/api/v1/pnl`` for the month, by each of ``GROUPINGS``. ``complete``: whether it is over.
    """
    made = []
    for total in answers["account"]["totals"]:
        kind = " ".join(filter(None, (total["currency"], "on paper" if total["paper"] else "")))
        rows = {by: [row for row in answers[by]["rows"] if _alike(row, total)] for by in GROUPINGS}
        made.append(
            MonthReport(
                title=f"{month} {kind}".strip() + ("" if complete else " (so far)"),
                facts=tuple(_facts(total, rows["day"], answers["account"]["left_out"])),
                sections=tuple(_section(by, rows[by], total) for by in GROUPINGS),
                days=tuple((row["key"], Decimal(row["result"])) for row in rows["day"]),
            )
        )
    return made


def _alike(row: Any, total: Any) -> bool:
    return all(row[name] == total[name] for name in ("paper", "currency"))


def _facts(total: Any, days: Sequence[Any], left_out: Sequence[str]) -> Iterator[str]:
    result, before = Decimal(total["result"]), total["equity_before"]
    share = ""
    if before is not None and Decimal(before) > 0:
        percent = figure(result / Decimal(before) * 100, places=2, signed=True)
        share = f", {percent}% of the value before"
    yield f"Profit after fees: {_signed(total['result'])}{share}"
    yield f"Fees: {figure(Decimal(total['fees']), places=2)}; funding: {_signed(total['funding'])}"
    if before is not None and total["equity_after"] is not None:
        moved = Decimal(total["transfers"])
        paid = (
            ""
            if not moved
            else f"; {'paid in' if moved > 0 else 'taken out'}: {figure(abs(moved), places=2)}"
        )
        worth = [figure(Decimal(one), places=2) for one in (before, total["equity_after"])]
        yield f"Worth: {worth[0]} before, {worth[1]} after{paid}"
    if days:
        best, worst = (pick(days, key=lambda row: Decimal(row["result"])) for pick in (max, min))
        won = sum(Decimal(row["result"]) > 0 for row in days)
        yield (
            f"Days with profit: {won} of {len(days)}; best: {best['key']} ({_signed(best['result'])}); "
            f"worst: {worst['key']} ({_signed(worst['result'])})"
        )
    if left_out:
        yield f"Incomplete: {'; '.join(left_out)}"


def _section(by: str, rows: Sequence[Any], total: Any) -> Section:
    return Section(
        title=f"By {by}",
        head=(by, *_HEAD),
        rows=tuple(_row(row, row["key"] or "no source") for row in rows),
        total=_row(total, "total"),
    )


def _row(row: Any, name: str) -> Row:
    shown = []
    for column in _SUMS:
        value = row[column]
        if value is None:
            shown.append("\N{EN DASH}")
        elif column == "turnover":
            shown.append(figure(Decimal(value), places=0))
        else:
            shown.append(_signed(f"-{value}" if column == "fees" and Decimal(value) > 0 else value))
    return (name, *shown, "\N{EN DASH}" if row["fills"] is None else str(row["fills"]))


def _signed(amount: str) -> str:
    return figure(Decimal(amount), places=2, signed=True)


# -- as Markdown


def markdown(reports: Sequence[MonthReport]) -> str:
    """Return the reports as one Markdown text."""
    lines: list[str] = []
    for report in reports:
        lines += [f"# Report {_text(report.title)}", "", *(f"* {_text(fact)}" for fact in report.facts), ""]
        for section in report.sections:
            lines += [f"## {section.title}", "", _cells(section.head)]
            lines += [_cells(("---", *("---:" for _ in section.head[1:])))]
            lines += [_cells(row) for row in section.rows]
            lines += [_cells([f"**{cell}**" for cell in section.total])] if section.total else []
            lines += [""]
    return "\n".join(lines)


def _cells(row: Sequence[str]) -> str:
    return "| " + " | ".join(map(_text, row)) + " |"


def _text(text: str) -> str:
    return text.replace("<", "&lt;").replace("|", "\\|")


# -- as HTML


def html(reports: Sequence[MonthReport]) -> str:
    """Return the reports as one self-contained page, without scripts and external resources."""
    body = "\n".join(line for report in reports for line in _html(report)).replace(THIN, UNBROKEN)
    title = escape(f"Report {reports[0].title}" if reports else "Report")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{_STYLE}</style></head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 0 0 1.5rem; display: block; overflow-x: auto; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #8884;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
tr.total td { font-weight: 600; }
svg { width: 100%; height: 130px; }
svg .gain { fill: #2b6cb0; } svg .loss { fill: #c05621; } svg line { stroke: currentColor; opacity: .4; }
"""


def _html(report: MonthReport) -> Iterator[str]:
    yield f"<h1>Report {escape(report.title)}</h1>"
    yield "<ul>" + "".join(f"<li>{escape(fact)}</li>" for fact in report.facts) + "</ul>"
    yield from _bars(report.days)
    for section in report.sections:
        yield f"<h2>{escape(section.title)}</h2>"
        yield "<table><thead>" + _tr(section.head, "th") + "</thead><tbody>"
        yield from (_tr(row, "td") for row in section.rows)
        if section.total is not None:
            yield _tr(section.total, "td", ' class="total"')
        yield "</tbody></table>"


def _tr(row: Row, cell: str, attributes: str = "") -> str:
    return f"<tr{attributes}>" + "".join(f"<{cell}>{escape(text)}</{cell}>" for text in row) + "</tr>"


def _bars(days: Sequence[tuple[str, Decimal]]) -> Iterator[str]:
    """Draw each day's profit at its place in the month: a gain upwards in one colour, a loss downwards in another."""
    if not days:
        return
    most = max(Decimal("0.01"), *(abs(amount) for _, amount in days))
    width, middle = 20, _BAR // 2
    parts = []
    for day, amount in days:
        height = float(abs(amount) / most * (middle - 2))
        left = (int(day[-2:]) - 1) * width + 2 if day[-2:].isdigit() else 2
        top = middle - height if amount >= 0 else middle
        parts.append(
            f'<rect class="{"gain" if amount >= 0 else "loss"}" x="{left}" y="{top:.1f}" width="{width - 4}" '
            f'height="{max(height, 0.5):.1f}"><title>{escape(day)}: {_signed(str(amount))}</title></rect>'
        )
    across = 31 * width
    yield (
        f'<svg viewBox="0 0 {across} {_BAR}" preserveAspectRatio="none" role="img" '
        'aria-label="profit of each day; the table by day has the numbers">'
        f'{"".join(parts)}<line x1="0" x2="{across}" y1="{middle}" y2="{middle}"/></svg>'
    )
