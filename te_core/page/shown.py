"""Builds the values of the page's parts from the view. No value changes merely because time passes.

The view has ages; here they are timestamps, from which the browser keeps counting. A timestamp computed from an age
varies by fractions of a second between refreshes, so the previous one is reused while the difference is negligible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from te_core.page.plans import AccountRow as PlanRow
from te_core.page.plans import Changed, Held, SizingBasis
from te_core.page.turns import Turns
from te_core.reporting.view import (
    AccountRow,
    Cell,
    EngineLine,
    Item,
    LimitRow,
    Mark,
    NotifierRow,
    Opinion,
    Severity,
    SourceRow,
    SymbolRow,
    Totals,
    View,
)

SAME = timedelta(seconds=1.5)
HALF = Decimal("0.5")
MOST_ITEMS = 6
"""Attention items shown before the rest is folded."""
ATTENTION = frozenset({Mark.WORKING, Mark.WAITING, Mark.LIMITED, Mark.HALTED, Mark.FOREIGN})
ALARM = frozenset({Mark.CHANGED, Mark.BLOCKED})


class Timestamps:
    """Converts ages to stable timestamps."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], datetime] = {}

    def of(self, now: datetime | None, age: float | None, *key: str) -> datetime | None:
        """Return the time of something with a given age."""
        if now is None or age is None:
            return None
        at = now - timedelta(seconds=age)
        known = self._known.get(key)
        if known is not None and abs(at - known) < SAME:
            return known
        self._known[key] = at
        return at


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The bar at the top."""

    kind: ClassVar[str] = "head"
    status: str
    started_at: datetime | None
    halted: bool
    critical: int
    warnings: int
    total: Totals | None
    change: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """What needs attention, worst first; ``notes`` are folded away."""

    kind: ClassVar[str] = "attention"
    items: tuple[Item, ...]
    more: tuple[Item, ...]
    notes: tuple[Item, ...]
    ground: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The totals of each kind of money, with the change of the first one in 24 h."""

    kind: ClassVar[str] = "totals"
    totals: tuple[Totals, ...]
    change: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account's line."""

    kind: ClassVar[str] = "account"
    row: AccountRow
    read_at: datetime | None
    change: Decimal | None
    spark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One symbol's line."""

    kind: ClassVar[str] = "row"
    row: SymbolRow
    sources: tuple[str, ...]
    """The columns, in the order of the settings."""
    opinions: Mapping[str, Opinion]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source's line."""

    kind: ClassVar[str] = "source"
    row: SourceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The use of limits and breakers, and the notifiers."""

    kind: ClassVar[str] = "limits"
    near: tuple[LimitRow, ...]
    """Breakers, and limits used by at least half."""
    far: tuple[LimitRow, ...]
    notifiers: tuple[NotifierRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The newest activity."""

    kind: ClassVar[str] = "stream"
    entries: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityCurve:
    """Equity in the last day: changes and sparklines by account, and a chart of their sum."""

    kind: ClassVar[str] = "equity"
    changes: Mapping[str, Decimal | None]
    sparks: Mapping[str, str]
    change: Decimal | None
    picture: str
    summary: str


NO_EQUITY_CURVE = EquityCurve(changes={}, sparks={}, change=None, picture="", summary="")


def slug(name: str) -> str:
    """Return a name for use in ids, without characters that could end an attribute or a selector."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in name)


async def parts_of(
    view: View, equity_curve: EquityCurve, entries: tuple[Any, ...], timestamps: Timestamps, turns: Turns
) -> dict[str, Any]:
    """Return the values of every part, by name."""
    now = view.engine.now
    parts: dict[str, Any] = {
        "head": _head(view, equity_curve),
        "attention": _attention(view),
        "totals": Sums(totals=view.totals, change=equity_curve.change),
    }
    for account in view.accounts:
        parts[f"a-{slug(account.name)}"] = Account(
            row=replace(account, read_age=None),
            read_at=timestamps.of(now, account.read_age, "account", account.name),
            change=equity_curve.changes.get(account.name),
            spark=equity_curve.sparks.get(account.name, ""),
        )
    await turns.next()
    sources = tuple(source.name for source in view.sources)
    for symbol in view.symbols:
        parts[f"r-{slug(symbol.symbol)}"] = _row(symbol, sources)
        await turns.next()
    for source in view.sources:
        parts[f"s-{slug(source.name)}"] = Source(row=replace(source, age=None))
    near = tuple(row for row in view.limits if row.breaker or (row.used is not None and row.used >= HALF))
    far = tuple(row for row in view.limits if row not in near)
    parts["limits"] = Limits(near=near, far=far, notifiers=view.notifiers)
    parts["equity"] = equity_curve
    parts["stream"] = Stream(entries=entries)
    return parts


def with_items(view: View, items: tuple[Item, ...]) -> View:
    """Return the view with more attention items, sorted in by severity."""
    if not items:
        return view
    rank = list(Severity)
    refused = [item for item in items if item.kind == "refused"]
    kept = [one for one in view.attention if not (refused and _same(one, refused[0]))]
    found = sorted([*kept, *items], key=lambda item: rank.index(item.severity))
    return replace(view, attention=tuple(found), ground="")


def _same(warning: Item, refused: Item) -> bool:
    """Return whether a source's warning and a refusal have the same cause, which is then shown once."""
    of_source = warning.kind == "source" and warning.severity is Severity.WARNING
    return of_source and refused.text.partition(": ")[2].casefold() in warning.text.casefold()


def _head(view: View, equity_curve: EquityCurve) -> Head:
    engine: EngineLine = view.engine
    return Head(
        status=engine.status,
        started_at=engine.started_at,
        halted=any(item.kind == "halt" and item.severity is Severity.CRITICAL for item in view.attention),
        critical=view.count(Severity.CRITICAL),
        warnings=view.count(Severity.WARNING),
        total=view.totals[0] if view.totals else None,
        change=equity_curve.change,
    )


def _attention(view: View) -> Attention:
    urgent = tuple(item for item in view.attention if item.severity is not Severity.NOTE)
    return Attention(
        items=urgent[:MOST_ITEMS],
        more=urgent[MOST_ITEMS:],
        notes=tuple(item for item in view.attention if item.severity is Severity.NOTE),
        ground=_ground(view),
    )


def _ground(view: View) -> str:
    """Return why nothing needs attention, in words that stay the same while that is so."""
    if not view.ground:
        return ""
    held, wanted = sum(one.at_target for one in view.totals), sum(one.targets for one in view.totals)
    why = "see the notes" if view.attention else "orders in flight"
    left = "" if held == wanted else f" ({why})"
    accounts, sources = len(view.accounts), len(view.sources)
    return (
        f"{held} of {wanted} targets reached{left}, {_all(accounts, 'account')} readable, "
        f"{_all(sources, 'source')} working."
    )


def _all(number: int, what: str) -> str:
    return f"the {what} is" if number == 1 else f"all {number} {what}s are"


def _row(row: SymbolRow, sources: tuple[str, ...]) -> Row:
    """Return a row without what only a cell's own page shows: texts with waiting times change constantly."""
    cells = tuple(
        replace(cell, read_age=None, words="", why="", notes=(), last_order_at=None, since=None, stops="")
        for cell in row.cells
    )
    opinions = {one.source: replace(one, age=None) for one in row.opinions}
    return Row(row=replace(row, cells=cells, opinions=()), sources=sources, opinions=opinions)


class Shown:
    """A snapshot of the engine's state, for plans and detail pages."""

    def __init__(self, view: View) -> None:
        self.view = view

    def account_rows(self) -> Iterator[PlanRow]:
        """Yield the accounts as rows of a plan."""
        now = self.view.engine.now
        for row in self.view.accounts:
            read_at = None
            if now is not None and row.read_age is not None:
                read_at = (now - timedelta(seconds=row.read_age)).isoformat(timespec="seconds")
            unreadable = row.severity is Severity.CRITICAL and bool(row.cause)
            yield PlanRow(
                name=row.name,
                paper=bool(row.paper),
                currency=row.currency,
                positions=row.held or 0,
                worth=row.gross,
                read_at=read_at,
                note=f"■ cannot be read: {row.cause}" if unreadable else "",
            )

    def held(self) -> Iterator[Held]:
        """Yield the positions at the last read."""
        for row in self.view.symbols:
            for cell in row.cells:
                if cell.size and cell.mark is not Mark.FOREIGN:
                    yield Held(account=cell.account, symbol=cell.symbol, size=cell.size, worth=cell.worth)

    def changed(self) -> Iterator[Changed]:
        """Yield positions that others changed and the engine left alone."""
        for row in self.view.symbols:
            for cell in row.cells:
                if cell.mark is Mark.CHANGED and cell.size is not None and cell.quantity is not None:
                    yield Changed(
                        account=cell.account, symbol=cell.symbol, size=cell.size, target=cell.quantity
                    )

    def known(self) -> Mapping[tuple[str, str], SizingBasis]:
        """Return the last price of each cell, and which source sent the last signal for its symbol."""
        found = {}
        for row in self.view.symbols:
            said = [one for one in row.opinions if one.at is not None]
            newest = max(said, key=lambda one: str(one.at), default=None)
            for cell in row.cells:
                found[cell.account, cell.symbol] = SizingBasis(
                    price=cell.price,
                    source=newest.source if newest is not None else "",
                    at=newest.at.isoformat(timespec="seconds") if newest is not None and newest.at else None,
                )
        return found

    def account(self, name: str) -> AccountRow | None:
        """Return one account, or None."""
        return next((row for row in self.view.accounts if row.name == name), None)

    def cells(self, *, account: str = "", symbol: str = "") -> list[Cell]:
        """Return the cells of one account, or of one symbol."""
        return [
            cell
            for row in self.view.symbols
            if symbol in ("", row.symbol)
            for cell in row.cells
            if account in ("", cell.account)
        ]
