"""Lays out ``te status``: a view of the state for a given width and height. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from te_core.cli.columns import Column, Line, Span, cells, cut_line, table
from te_core.cli.status_further import further
from te_core.reporting.figures import MINUS, age, compact, figure, percent
from te_core.reporting.view import (
    AccountRow,
    Cell,
    Item,
    Mark,
    Severity,
    SymbolRow,
    Totals,
    View,
)

WIDE = 120
"""Columns from which on there is room for sentences and sources."""
NARROW = 80
"""Columns below which there is no room for symbols."""
FLAT = "·"
NOT_KNOWN = "—"
ALL, HELD, OFF_TARGET = "all", "held", "not at target"
_MARKS = {Severity.CRITICAL: "!!", Severity.WARNING: "! ", Severity.NOTE: "- "}
_STYLES = {Severity.CRITICAL: "critical", Severity.WARNING: "warning", Severity.NOTE: "dim"}
_CALM = {"ready": "good"} | dict.fromkeys(("degraded", "stopped", "not answering", "halted"), "critical")
_MOST_ITEMS = 6
_KIND = {True: "paper", False: "equity", None: "equity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Size and contents of the screen."""

    width: int = 80
    height: int | None = None
    """Lines; None for as many as needed."""
    page: int = 1
    rows: str = ALL
    """Which symbols are drawn: ``ALL``, ``HELD`` or ``OFF_TARGET``."""
    attention: bool = False
    """Whether only the items that need attention are drawn, in full."""
    utc: bool = False
    symbols: bool = True
    """Whether symbols are drawn."""
    fold: bool = False
    """Whether sentences are folded if ``height`` is None."""
    turn: str = "--all, --page 2"
    """How to see more symbols: an option or a key."""
    more: str = "--attention"
    """How to see more items: an option or a key."""

    @property
    def wide(self) -> bool:
        """Return whether there is room for sentences."""
        return self.width >= WIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """The lines of one page, and how many pages there are."""

    lines: tuple[Line, ...]
    page: int = 1
    pages: int = 1


def screen(view: View, layout: Layout) -> Screen:
    """Lay out a page: what needs attention, the accounts, then as many symbols as fit."""
    head = [cut_line(line, layout.width) for line in _head(view, layout)]
    if layout.attention:
        return Screen(lines=(*head, (), *_whole_items(view, layout)))
    top = [*head, (), *_items(view, layout)]
    accounts = _accounts(view, layout)
    top += [(), *accounts] if accounts else []
    if layout.width < NARROW or not layout.symbols:
        return Screen(lines=tuple(top))
    rows = [row for row in view.symbols if _wanted(row, layout.rows)]
    if not rows:
        none = [(), ((f"no symbol is {layout.rows}", "dim"),)] if view.symbols else []
        return Screen(lines=(*top, *none))
    room = (
        None if layout.height is None else layout.height - len(top) - 3
    )  # a blank line, the titles, the legend
    later = None if layout.height is None else max(layout.height - len(head) - 3, 1)
    pages = _pages(rows, _columns_of_accounts(view, layout), room, later)
    number = min(max(layout.page, 1), len(pages))
    shown, part = pages[number - 1]
    more = len(rows) - len(shown) if number == 1 else 0
    body: list[Line] = [(), *_symbols(view, layout, shown, part)] if shown else []
    body += _legend(view, layout, shown, more)
    if number == 1 and not more:
        body += further(view, layout.width, None if room is None else room - len(shown))
    return Screen(lines=(*(top if number == 1 else head), *body), page=number, pages=len(pages))


# -- the head


def _head(view: View, layout: Layout) -> Iterator[Line]:
    engine = view.engine
    bad, warn = view.count(Severity.CRITICAL), view.count(Severity.WARNING)
    chips: list[Span] = [(f" {bad} critical ", "chip"), (" ", "")] if bad else []
    if warn:
        chips += [(f"{warn} warning{'' if warn == 1 else 's'} ", "warning"), (" ", "")]
    status = "not ready" if engine.status == "degraded" else engine.status
    style = _CALM.get(engine.status, "warning")
    yield joined(
        [
            (0, [*chips, ("engine ", "bold"), (status, "bold" if style == "good" else style)]),
            (2, [(f"  pid {engine.pid}", "dim")] if engine.running else []),
            (1, [(f"  up {age(engine.up)}", "dim")] if engine.running else []),
            (3, [(f"  {clock(engine.now, utc=layout.utc)}", "dim")]),
        ],
        layout.width,
    )
    for number, totals in enumerate(view.totals):
        yield _total(totals, layout, alone=len(view.totals) == 1, first=number == 0)


def clock(now: datetime | None, *, utc: bool) -> str:
    """Format a time of day with its zone, or the full time in UTC."""
    if now is None:
        return ""
    if utc:
        return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return now.astimezone().strftime("%H:%M:%S %Z")


def _total(one: Totals, layout: Layout, *, alone: bool, first: bool) -> Line:
    """Return the line with the sums of one kind of money, including what they leave out."""
    name, gap = _KIND[one.paper], "  " if layout.wide else " "
    currency = f" {one.currency}" if one.currency and (layout.wide or not first) else ""
    money: list[Span] = [(f"{name} {figure(one.equity, places=0)}{currency}", "bold")]
    if not alone or one.as_last_seen or one.unknown:
        money.append(_left_out(one, layout))
    without = [(f" ({len(one.unpriced)} not valued)", "warning")] if one.unpriced else []
    label, style = "at target" if layout.wide else "ok", "good" if one.at_target == one.targets else "warning"
    parts: list[tuple[int, list[Span]]] = [
        (0, money),
        (1, [(f"{gap}pnl ", ""), *_pnl(one.unrealised)]),
        (2, [(f"{gap}exposure {compact(one.gross)}{_times(one.leverage, layout)}", ""), *without]),
        (3, [(f"{gap}net {compact(one.net, signed=True)}", "")] if layout.wide else []),
        (4, [(f"{gap}margin {_share(one.margin)}", "")] if layout.wide else []),
        (0, [(f"{gap}{label} {one.at_target}/{one.targets}", style)]),
    ]
    return joined(parts, layout.width)


def _left_out(one: Totals, layout: Layout) -> Span:
    """Return how many accounts a sum covers, and how many it lacks."""
    old = len(one.as_last_seen)
    said = [f"{one.live} live"] if one.live or not old else []
    said += [f"{old} as last seen" if layout.wide else f"{old} old"] if old else []
    said += [f"{len(one.unknown)} unknown"] if one.unknown else []
    return f" ({', '.join(said)})", "warning" if old or one.unknown else "dim"


def joined(parts: Sequence[tuple[int, Sequence[Span]]], width: int) -> Line:
    """Join the parts that fit on a line; those with the largest number are dropped first."""
    shown = list(parts)
    while sum(cells(text) for _, spans in shown for text, _ in spans) > width:
        most = max(spare for spare, _ in shown)
        if most == 0:
            break
        shown = [part for part in shown if part[0] != most]
    return tuple(span for _, spans in shown for span in spans)


def _times(leverage: Decimal | None, layout: Layout) -> str:
    if leverage is None:
        return ""
    return f"{' = ' if layout.wide else ' '}{leverage:.2f}x"


def _pnl(value: Decimal | None) -> list[Span]:
    return [(figure(value, places=1, signed=True), _side(value))]


def _side(value: Decimal | None) -> str:
    if not value:
        return "dim"
    return "long" if value > 0 else "short"


# -- what needs attention


def _items(view: View, layout: Layout) -> list[Line]:
    made = [line for item in view.attention for line in _item(item, view.engine.now, layout)]
    if not view.ground:
        return _at_most(made, layout, used=0)
    calm: Line = (("nothing needs attention", "good"), (f"  {view.ground}", "dim"))
    return [cut_line(calm, layout.width), *_at_most(made, layout, used=1)]


def _at_most(lines: list[Line], layout: Layout, *, used: int) -> list[Line]:
    """Return at most a third of the height in lines, ending with the number of items left out."""
    if layout.height is None:
        return lines
    most = max(min(layout.height // 3, _MOST_ITEMS) - used, 1)
    if len(lines) <= most:
        return lines
    more = len(lines) - most + 1
    return [*lines[: most - 1], ((f"   and {more} more: {layout.more}", "dim"),)]


def _item(item: Item, now: datetime | None, layout: Layout) -> list[Line]:
    """Return an item on one line; folded between words if the height is unlimited."""
    title = _title(item, now)
    remedy = f"  {item.remedy}" if item.remedy not in item.text and layout.wide else ""
    line: Line = (*title, (f"  {item.text}" if item.text else "", ""), (remedy, "dim"))
    if layout.height is not None:
        return [cut_line(line, layout.width)]
    if not layout.fold or sum(cells(text) for text, _ in line) <= layout.width:
        return [line]
    return [title, *_folded(item.text, layout)]


def _title(item: Item, now: datetime | None) -> Line:
    lasts = _lasts(item, now)
    return (
        (f"{_MARKS[item.severity]} {item.title}", _STYLES[item.severity]),
        (f" for {lasts}" if lasts else "", "dim"),
    )


def _folded(text: str, layout: Layout, style: str = "") -> list[Line]:
    parts = textwrap.wrap(text, max(layout.width - 4, 20), break_long_words=False)
    return [((f"   {part}", style),) for part in parts]


def _lasts(item: Item, now: datetime | None) -> str:
    return "" if item.since is None or now is None else age((now - item.since).total_seconds())


def _whole_items(view: View, layout: Layout) -> Iterator[Line]:
    """Yield every item in full: what it means, its details, and how to resolve it."""
    if view.ground:
        yield (("nothing needs attention", "good"), (f"  {view.ground}", "dim"))
    for number, item in enumerate(view.attention):
        if number or view.ground:
            yield ()
        yield _title(item, view.engine.now)
        remedy = f"to resolve it: {item.remedy}" if item.remedy not in item.text else ""
        details = item.detail.splitlines()
        for text, style in ((item.text, ""), *((line, "dim") for line in details), (remedy, "bold")):
            yield from _folded(text, layout, style)


# -- accounts


def _accounts(view: View, layout: Layout) -> list[Line]:
    rows = view.accounts
    wide = layout.wide

    def column(title: str, made: Iterable[Span | str], **how: object) -> Column:
        spans = tuple((span, "") if isinstance(span, str) else span for span in made)
        return Column(title=title, cells=spans, **how)  # type: ignore[arg-type]

    columns = [
        column("account", ((row.name, "bold" if row.severity else "") for row in rows), left=True),
        column("status", map(_status, rows), left=True, spare=1),
        column("equity", map(_equity, rows)),
        column("pnl", (_pnl(row.unrealised)[0] for row in rows), spare=4),
        column("exposure" if wide else "expos", (compact(row.gross) for row in rows), spare=3),
        column("margin", (_share(row.margin) for row in rows), spare=5),
        column("held", ("?" if row.held is None else str(row.held) for row in rows), spare=6),
        column("at target" if wide else "ok", map(_reached, rows)),
        column("read", map(_read, rows), spare=2),
    ]
    if wide:
        columns += [
            column("free", (figure(row.free, places=0) for row in rows), spare=8),
            column("net", (compact(row.net, signed=True) for row in rows), spare=7),
            column("leverage", (_multiple(row) for row in rows), spare=9),
            column("rejected 24h", map(_rejected, rows), spare=11),
            column("why", ((_why(row), "dim") for row in rows), left=True, prose=True, spare=10),
        ]
    return table(columns, layout.width, gap=2 if wide else 1)


def _status(row: AccountRow) -> Span:
    if row.severity is Severity.CRITICAL:
        return f"!! {row.status}", "critical"
    if row.severity is Severity.WARNING:
        return f"! {row.status}", "warning"
    return row.status, "good" if row.status == "running" else "dim"


def _share(margin: Decimal | None) -> str:
    return NOT_KNOWN if margin is None else percent(margin)


def _why(row: AccountRow) -> str:
    """Return the reason for an account's status, or else why its margin is not known."""
    return row.cause or (f"margin: {row.free_unknown}" if row.free_unknown else "")


def _equity(row: AccountRow) -> Span:
    """Format the equity; a star marks the last known value."""
    text = figure(row.equity, places=0)
    return (f"{text}*", "dim") if row.as_last_seen else (text, "")


def _reached(row: AccountRow) -> Span:
    return f"{row.at_target}/{row.targets}", "" if row.at_target == row.targets else "warning"


def _read(row: AccountRow) -> Span:
    late = row.severity is not None and row.status in ("unreadable", "failing")
    return age(row.read_age), "warning" if late else ""


def _rejected(row: AccountRow) -> Span:
    return str(row.rejected), "warning" if row.rejected else ""


def _multiple(row: AccountRow) -> Span:
    return ("?", "dim") if row.leverage is None else (f"{row.leverage:.2f}x", "")


# -- symbols


def _wanted(row: SymbolRow, rows: str) -> bool:
    return rows == ALL or (row.held if rows == HELD else _urgency(row) <= 1)


def _pages(
    rows: Sequence[SymbolRow], columns: Sequence[Sequence[int]], first: int | None, later: int | None
) -> list[tuple[list[SymbolRow], Sequence[int]]]:
    """Split rows and columns into pages. The first shows what needs attention, then what is held."""
    if first is None or later is None:
        return [(list(rows), part) for part in columns] or [([], ())]
    if len(rows) <= first and len(columns) == 1:
        return [(list(rows), columns[0])]
    ranked = sorted(range(len(rows)), key=lambda index: (_urgency(rows[index]), index))
    chosen = sorted(ranked[: max(first, 0)])
    pages: list[tuple[list[SymbolRow], Sequence[int]]] = [([rows[index] for index in chosen], columns[0])]
    for start in range(0, len(rows), later):
        pages += [(list(rows[start : start + later]), part) for part in columns]
    return pages


def _urgency(row: SymbolRow) -> int:
    """Return a symbol's rank, the lowest first. An unreadable account alone does not make its symbols urgent."""
    marks = {cell.mark for cell in row.cells if cell.counts}
    if marks - {Mark.AT_TARGET, Mark.UNKNOWN, Mark.LIMITED, Mark.OBSERVING}:
        return 0
    return 1 if Mark.LIMITED in marks else 2 if row.held else 3


def _columns_of_accounts(view: View, layout: Layout) -> list[list[int]]:
    """Return the account indices of each page: as many columns as fit side by side."""
    names = short_names([row.name for row in view.accounts])
    widths = [
        max(cells(name), *(cells(_cell(row.cells[index])[0]) for row in view.symbols), 0) + 1
        for index, name in enumerate(names)
    ]
    left = layout.width - _fixed_width(view)
    parts: list[list[int]] = [[]]
    taken = 0
    for index, width in enumerate(widths):
        if parts[-1] and taken + width > left:
            parts.append([])
            taken = 0
        parts[-1].append(index)
        taken += width
    return parts


def _fixed_width(view: View) -> int:
    names = [cells(_short_symbol(row.symbol, view)) for row in view.symbols]
    return max([6, *names]) + 1 + 6


def _symbols(view: View, layout: Layout, rows: Sequence[SymbolRow], part: Sequence[int]) -> list[Line]:
    """Return a line for each symbol, with a column for each account."""
    names = short_names([row.name for row in view.accounts])
    wide = layout.wide
    name = (lambda row: row.symbol) if wide else (lambda row: _short_symbol(row.symbol, view))
    columns = [
        Column(
            title="symbol", cells=[(name(row), "" if row.at_target else "bold") for row in rows], left=True
        ),
        Column(title="depth", cells=[_depth(row) for row in rows], spare=0 if not wide else 4),
    ]
    if wide:
        columns += _opinions(view, rows)
    columns += [Column(title=names[index], cells=[_cell(row.cells[index]) for row in rows]) for index in part]
    if wide and len(part) == len(view.accounts):
        columns += [
            Column(title="net", cells=[_worth(row.net) for row in rows], spare=2),
            Column(title="pnl", cells=[_pnl(row.unrealised)[0] for row in rows], spare=3),
        ]
    return table(columns, layout.width, gap=2 if wide else 1)


def _opinions(view: View, rows: Sequence[SymbolRow]) -> Iterator[Column]:
    for source in view.sources:
        said = [next((one for one in row.opinions if one.source == source.name), None) for row in rows]
        made: list[Span] = []
        for one in said:
            if one is None:
                made.append(("", ""))
            elif one.depth is None:
                made.append((f"none x {one.weight:f}    ", "dim"))
            else:
                text = f"{_signed(one.depth, 2)} x {one.weight:f} {age(one.age):>3}"
                made.append((text, "warning" if one.expired else "" if one.depth else "dim"))
        if any(said):
            yield Column(title=f"{source.name} x w", cells=made, spare=5)


def _signed(depth: Decimal, places: int) -> str:
    text = figure(depth, places=places, signed=True)
    return text if depth else " " + text


def _depth(row: SymbolRow) -> Span:
    if row.depth is None:
        differ = any(cell.counts for cell in row.cells)
        return ("differs", "dim") if differ else ("", "")
    return _signed(row.depth, 3) if row.depth else "0", "" if row.depth else "dim"


def _cell(cell: Cell) -> Span:
    """Format what is held, after the sign of its state."""
    sign = cell.mark.sign.ascii.strip()
    if cell.mark is Mark.NO_TARGET and not cell.size:
        return "", ""
    worth = FLAT if cell.size == 0 else compact(cell.worth, signed=True)
    if cell.size is None:
        return (sign or "?"), "dim"
    if cell.size and cell.worth is None:
        worth = f"{'+' if cell.size > 0 else MINUS}?"
    text = f"{sign} {worth}".strip()
    if cell.mark in (Mark.CHANGED, Mark.BLOCKED, Mark.FOREIGN):
        return text, "critical"
    if cell.mark in (Mark.WAITING, Mark.HALTED, Mark.OBSERVING):
        return text, "warning"
    return text, "dim" if cell.as_last_seen or not cell.size else _side(cell.size)


def _worth(value: Decimal | None) -> Span:
    return (FLAT, "dim") if value == 0 else (compact(value, signed=True), _side(value))


def _legend(view: View, layout: Layout, rows: Sequence[SymbolRow], more: int) -> list[Line]:
    """Return the legend: how many symbols are not shown, and what the signs mean."""
    marks = {cell.mark for row in rows for cell in row.cells}
    signs = [f"{m.sign.ascii} {m.sign.meaning}" for m in Mark if m in marks and m.sign.ascii.strip()]
    star = ["* as last seen"] if any(row.as_last_seen for row in view.accounts) else []
    left = len(view.left)
    gone = [f"{left} symbol{'' if left == 1 else 's'} not in settings, flat"] if left else []
    said = [f"{more} more: {layout.turn}"] if more else []
    suffix = [] if layout.wide else [_suffix(view)]
    star += (
        ["net, pnl: real money"] if layout.wide and len(view.totals) > 1 and not view.totals[0].paper else []
    )
    parts = [part for part in (*said, *gone, *suffix, *signs, *star) if part]
    fitting = [(number, [("  " * (number > 0) + part, "dim")]) for number, part in enumerate(parts)]
    return [joined(fitting, layout.width)] if parts else []


def _suffix(view: View) -> str:
    """Return the common suffix of all symbols, which their short names omit; empty if there is none."""
    names = [row.symbol for row in view.symbols]
    for suffix in ("USDT", "USDC", "USD"):
        if names and all(name.endswith(suffix) and len(name) > len(suffix) for name in names):
            return suffix
    return ""


def _short_symbol(symbol: str, view: View) -> str:
    return symbol.removesuffix(suffix) if (suffix := _suffix(view)) else symbol


def short_names(names: Sequence[str]) -> list[str]:
    """Return names cut to their first part where that is unique: ``bybit`` for ``bybit-main``."""
    short = [name.partition("-")[0] for name in names]
    return [part if short.count(part) == 1 else name for part, name in zip(short, names, strict=True)]
