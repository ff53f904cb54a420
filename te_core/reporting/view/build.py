"""Build the view: cells first, then the sums of their rows, then what needs attention."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from te_core.reporting.steps import Steps, at_once
from te_core.reporting.symbol_view import doing, duration, why
from te_core.reporting.view.attention import attention
from te_core.reporting.view.values import (
    AccountRow,
    Cell,
    EngineLine,
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

State = Mapping[str, Any]
ZERO = Decimal(0)
_STATUS = {
    "at_target": Mark.AT_TARGET,
    "working": Mark.WORKING,
    "deciding": Mark.WORKING,
    "waiting": Mark.WAITING,
    "limited": Mark.LIMITED,
    "drift": Mark.CHANGED,
    "blocked": Mark.BLOCKED,
    "halted": Mark.HALTED,
    "observing": Mark.OBSERVING,
}
"""Statuses of a symbol; any other one means unknown."""
_BAD = {"unreadable", "failing", "unavailable"}
_QUIET = {"disabled", "paused", "running", "observing", "stopped"}


def view(state: State) -> View:
    """Return the view of a state, as ``/api/v1/state`` or ``offline_state`` returns it."""
    return at_once(view_steps(state))


def view_steps(state: State) -> Steps[View]:
    """Return the same in steps of one account or one symbol."""
    engine = _engine(state)
    elsewhere = _prices(state)
    every = _symbols(state)
    found = {}
    for name, one in state["accounts"].items():
        found[name] = _cells(name, one, every, elsewhere)
        yield
    left = tuple(s for s in every if s not in state["symbols"] and not _matters(c[s] for c in found.values()))
    columns = {name: {s: cell for s, cell in one.items() if s not in left} for name, one in found.items()}
    accounts = tuple(_account(name, one, columns[name].values()) for name, one in state["accounts"].items())
    totals = _totals(accounts)
    main = totals[0].accounts if totals else ()
    rows = []
    for symbol in every:
        if symbol not in left:
            cells = tuple(column[symbol] for column in columns.values())
            rows.append(_symbol(symbol, state, cells, main, engine.now))
            yield
    sources = tuple(_source(name, one, engine.now) for name, one in state["sources"].items())
    yield
    items = attention(state, engine=engine, accounts=accounts, columns=columns, sources=sources)
    return View(
        engine=engine,
        attention=items,
        ground=_ground(engine, accounts, totals) if _calm(items) else "",
        totals=totals,
        accounts=accounts,
        symbols=tuple(rows),
        left=left,
        sources=sources,
        limits=(*map(_breaker, state.get("breakers", ())), *map(_limit, state.get("limits", ()))),
        notifiers=tuple(_notifier(name, one) for name, one in state.get("notifiers", {}).items()),
    )


# -- reading the state


def number(text: object) -> Decimal | None:
    """Return a number of the state; None if it is unknown."""
    return None if text is None or text == "" else Decimal(str(text))


def parse_time(text: object) -> datetime | None:
    """Return a time of the state; None if there is none."""
    return datetime.fromisoformat(str(text)) if text else None


def _seconds(now: datetime | None, then: datetime | None) -> float | None:
    return None if now is None or then is None else max((now - then).total_seconds(), 0.0)


def _engine(state: State) -> EngineLine:
    engine = state["engine"]
    now, started = parse_time(engine.get("now")), parse_time(engine["started_at"])
    return EngineLine(
        status=engine["status"],
        version=engine["version"] or "",
        pid=engine["pid"],
        started_at=started,
        now=now,
        up=_seconds(now, started),
        reasons=tuple(engine.get("reasons", ())),
    )


def _symbols(state: State) -> list[str]:
    """Return every symbol: those of the settings in their order, then others that an account has."""
    others = [
        symbol
        for account in state["accounts"].values()
        for symbol in sorted({*account["targets"], *account["positions"]})
    ]
    return list(dict.fromkeys([*state["symbols"], *others]))


def _prices(state: State) -> dict[str, str]:
    """Return a price of each symbol from any account, for accounts that cannot be read."""
    return {
        symbol: price
        for account in state["accounts"].values()
        for symbol, price in account.get("prices", {}).items()
    }


# -- cells


def _cells(
    name: str, account: State, symbols: Sequence[str], elsewhere: Mapping[str, str]
) -> dict[str, Cell]:
    return {symbol: _cell(name, account, symbol, elsewhere) for symbol in symbols}


def _cell(name: str, account: State, symbol: str, elsewhere: Mapping[str, str]) -> Cell:
    target, position = account["targets"].get(symbol, {}), account["positions"].get(symbol, {})
    size, old = _size(account, target, position)
    price = number(account.get("prices", {}).get(symbol) or elsewhere.get(symbol))
    entry = number(position.get("entry_price"))
    mark = _mark(account, target, size, old=old)
    return Cell(
        account=name,
        symbol=symbol,
        mark=mark,
        size=size,
        as_last_seen=old and size is not None,
        price=price,
        worth=_worth(size, price),
        unrealised=_unrealised(size, price, entry, number(position.get("unrealised_pnl"))),
        entry=entry,
        liquidation=number(position.get("liquidation_price")),
        leverage=number(position.get("leverage")),
        margin_mode=position.get("margin_mode") or "",
        depth=number(target.get("depth")),
        target_leverage=number(target.get("leverage")),
        quantity=number(target.get("quantity")),
        counts=bool(target) and mark is not Mark.OFF,
        status=target.get("status", ""),
        words=doing(target) if target else ("not the engine's" if size else ""),
        why=why(target) if target else "",
        limited_by=target.get("limited_by") or "",
        held_back=target.get("phase") == "held",
        since=parse_time(target.get("since")),
        read_age=target.get("read_age", position.get("read_age")),
        last_order_at=parse_time(target.get("last_order_at")),
        notes=tuple(target.get("notes", ())),
        stops=target.get("stops", ""),
    )


def _size(account: State, target: State, position: State) -> tuple[Decimal | None, bool]:
    """Return the held quantity as far as it is known, and whether that is old."""
    read = account.get("read", {}).get("positions", {})
    old = bool(read.get("unknown")) or not read or target.get("status") == "unreadable"
    if position:
        return number(position["size"]), old
    if read.get("age") is not None:
        return ZERO, old
    confirmed = target.get("last_confirmed")
    return (number(confirmed["quantity"]) if confirmed else None), old


def _worth(size: Decimal | None, price: Decimal | None) -> Decimal | None:
    if size is None or (size and price is None):
        return None
    return size * price if size and price is not None else ZERO


def _unrealised(
    size: Decimal | None, price: Decimal | None, entry: Decimal | None, stated: Decimal | None
) -> Decimal | None:
    """Return the profit of a position: as stated, or else by its entry, as some exchanges do not state it."""
    if size is None or not size:
        return size
    if stated is not None:
        return stated
    return None if price is None or entry is None else size * (price - entry)


def _mark(account: State, target: State, size: Decimal | None, *, old: bool) -> Mark:
    if account["status"] == "disabled":
        return Mark.OFF
    if not target:
        if size and not old:
            return Mark.FOREIGN
        return Mark.UNKNOWN if old and size is None else Mark.NO_TARGET
    mark = _STATUS.get(target["status"], Mark.UNKNOWN)
    if mark is Mark.AT_TARGET and _too_old(target, account):
        return Mark.UNKNOWN
    if mark in (Mark.WORKING, Mark.UNKNOWN) or not old:
        return Mark.LIMITED if mark is Mark.AT_TARGET and target.get("limited") else mark
    return Mark.UNKNOWN


def _too_old(target: State, account: State) -> bool:
    """Return whether no read is recent enough to show that a target is reached (I16)."""
    age, fresh_for = target.get("read_age"), account.get("fresh_for")
    return age is None or fresh_for is None or age > fresh_for


# -- accounts and their sums


def _account(name: str, account: State, cells: Iterable[Cell]) -> AccountRow:
    own = list(cells)
    equity, seen, old = _equity(account)
    failure = account.get("trouble") or {}
    known = [cell for cell in own if cell.size is not None]
    counted = [cell for cell in own if cell.counts]
    halted = account["status"] == "running" and bool(counted) and all(c.mark is Mark.HALTED for c in counted)
    status = "halted" if halted else account["status"]
    sample = account.get("last_seen") or {}
    by_sample = not known  # nothing is known in this run: use the last sample of an earlier one
    return AccountRow(
        name=name,
        plugin=account["plugin"],
        paper=account.get("paper"),
        currency=account.get("currency") or "",
        shadow_of=account.get("shadow_of") or "",
        status=status,
        severity=Severity.WARNING if halted else _severity(account),
        cause=failure.get("cause") or account["reason"] or _shadowing(account),
        detail=failure.get("detail") or "",
        since=parse_time(failure.get("since")),
        retry_at=parse_time(failure.get("retry_at") or account.get("retry_at")),
        read_age=account.get("read_age"),
        equity=equity,
        wallet=number(seen.get("wallet")),
        free=None if old else number(seen.get("free")),
        free_unknown=_free_unknown(seen, old=old),
        as_last_seen=old and equity is not None,
        seen_at=parse_time(seen.get("as_of") or seen.get("at")),
        unrealised=number(sample.get("unrealised")) if by_sample else _sum_of(known, lambda c: c.unrealised),
        gross=number(sample.get("gross")) if by_sample else _sum_of(known, lambda c: _size_of(c.worth)),
        net=number(sample.get("net")) if by_sample else _sum_of(known, lambda c: c.worth),
        held=sum(bool(cell.size) for cell in known) if known else None,
        at_target=sum(cell.at_target for cell in counted),
        targets=len(counted),
        unpriced=tuple(c.symbol for c in known if c.worth is None or c.unrealised is None),
        rejected=account.get("rejected_24h", 0),
    )


def _shadowing(account: State) -> str:
    return f"shadow of {account['shadow_of']}" if account.get("shadow_of") else ""


def _equity(account: State) -> tuple[Decimal | None, State, bool]:
    """Return the equity, the data it comes from, and whether that is old."""
    read = account.get("read", {}).get("equity", {})
    if read.get("total") is not None:
        late = read["age"] is not None and read["age"] > account["fresh_for"]
        # An equity older than the newest order is unfit for sizing, but not old.
        return number(read["total"]), read, bool(account.get("unready")) or late
    seen = account.get("last_seen") or {}
    return number(seen.get("total")), seen, True


def _free_unknown(seen: State, *, old: bool) -> str:
    """Return why the free funds are unknown; empty if they are known."""
    if old:
        return "unreadable" if seen else "never read"
    if seen.get("free") is not None:
        return ""
    return seen.get("free_unknown") or "not reported by the exchange"


def _severity(account: State) -> Severity | None:
    status = account["status"]
    if status in _BAD:
        return Severity.CRITICAL
    if status == "starting" or account.get("observing") or account.get("trouble"):
        return Severity.WARNING
    return None if status in _QUIET else Severity.WARNING


def _totals(accounts: Sequence[AccountRow]) -> tuple[Totals, ...]:
    """Return one total for each kind of money: real before paper, then in the order of the accounts."""
    kinds = dict.fromkeys((row.paper, row.currency) for row in accounts)
    made = [_total([row for row in accounts if (row.paper, row.currency) == kind], kind) for kind in kinds]
    return tuple(sorted(made, key=lambda total: total.paper is True))


def _total(rows: Sequence[AccountRow], kind: tuple[bool | None, str]) -> Totals:
    with_free = [row for row in rows if row.free is not None and row.equity is not None]
    return Totals(
        paper=kind[0],
        currency=kind[1],
        accounts=tuple(row.name for row in rows),
        live=sum(row.equity is not None and not row.as_last_seen for row in rows),
        as_last_seen=tuple(row.name for row in rows if row.as_last_seen),
        unknown=tuple(row.name for row in rows if row.equity is None),
        equity=_sum(row.equity for row in rows),
        unrealised=_sum(row.unrealised for row in rows),
        gross=_sum(row.gross for row in rows),
        net=_sum(row.net for row in rows),
        free=_sum(row.free for row in with_free),
        free_of=_sum(row.equity for row in with_free),
        held=sum(row.held or 0 for row in rows),
        at_target=sum(row.at_target for row in rows),
        targets=sum(row.targets for row in rows),
        unpriced=tuple((row.name, symbol) for row in rows for symbol in row.unpriced),
        without_free=tuple((row.name, row.free_unknown) for row in rows if row.free is None),
    )


def _sum(parts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum of the known parts; None if none is known."""
    known = [part for part in parts if part is not None]
    return sum(known, ZERO) if known else None


def _sum_of(cells: Sequence[Cell], figure: Callable[[Cell], Decimal | None]) -> Decimal | None:
    """Return the sum of a figure; None if it is unknown for everything held, as flat cells alone would make it 0."""
    held = [cell for cell in cells if cell.size]
    return _sum(map(figure, held or cells))


def _size_of(value: Decimal | None) -> Decimal | None:
    return None if value is None else abs(value)


# -- symbols, sources, limits, notifiers


def _symbol(
    name: str, state: State, cells: tuple[Cell, ...], main: Sequence[str], now: datetime | None
) -> SymbolRow:
    section = state["symbols"].get(name, {})
    depths = {cell.depth for cell in cells if cell.counts}
    counted = [cell for cell in cells if cell.account in main]
    return SymbolRow(
        symbol=name,
        in_settings=name in state["symbols"],
        leverage=number(section.get("leverage")),
        depth=depths.pop() if len(depths) == 1 else None,
        opinions=tuple(
            _opinion(
                source, Decimal(weight), state["sources"].get(source, {}).get("signals", {}).get(name), now
            )
            for source, weight in section.get("weights", {}).items()
        ),
        cells=cells,
        net=_sum_of(counted, lambda c: c.worth),
        unrealised=_sum_of(counted, lambda c: c.unrealised),
    )


def _matters(cells: Iterable[Cell]) -> bool:
    """Return whether to show a symbol that the settings do not name: something is held, wanted or unknown."""
    return any(cell.size or cell.depth or (cell.counts and cell.size is None) for cell in cells)


def _opinion(source: str, weight: Decimal, signal: State | None, now: datetime | None) -> Opinion:
    at = parse_time(signal["received_at"]) if signal else None
    return Opinion(
        source=source,
        weight=weight,
        depth=number(signal["depth"]) if signal else None,
        age=_seconds(now, at),
        at=at,
        expired=bool(signal and signal.get("expired")),
    )


def _source(name: str, source: State, now: datetime | None) -> SourceRow:
    newest = parse_time(source["last_signal_at"])
    expired = tuple(symbol for symbol, signal in source["signals"].items() if signal.get("expired"))
    silent = parse_time(source.get("silent_since"))
    warning = str(source.get("counters", {}).get("warning") or "")
    status = source["status"]
    severity = Severity.CRITICAL if source.get("unready") or status in _BAD else None
    if severity is None and (silent or expired or warning or source["reason"] or status not in _QUIET):
        severity = None if status == "disabled" else Severity.WARNING
    return SourceRow(
        name=name,
        plugin=source["plugin"],
        status=status,
        severity=severity,
        reason=source["reason"],
        last_signal_at=newest,
        age=_seconds(now, newest),
        silent_since=silent,
        expired=expired,
        signals=len(source["signals"]),
        warning=warning,
        refused=source.get("refused_24h", 0),
    )


def _limit(row: State) -> LimitRow:
    return LimitRow(
        name=row["name"],
        account=row["account"],
        symbol=row["symbol"],
        breaker=False,
        tripped_at=None,
        now=number(row["now"]),
        limit=number(row["limit"]),
        used=number(row["used"]),
        text="",
    )


def _breaker(row: State) -> LimitRow:
    return LimitRow(
        name=row["name"],
        account=row["account"],
        symbol=row["symbol"],
        breaker=True,
        tripped_at=parse_time(row["tripped_at"]),
        now=None,
        limit=None,
        used=number(row["used"]),
        text=row["text"],
        action=row["action"],
        as_of=parse_time(row["as_of"]),
    )


def _notifier(name: str, one: State) -> NotifierRow:
    figures = ("plugin", "status", "reason", "sent", "waiting", "dropped")
    return NotifierRow(name=name, **{figure: one[figure] for figure in figures})


# -- when nothing is wrong


def _calm(items: Iterable[Any]) -> bool:
    return all(item.severity is Severity.NOTE for item in items)


def _ground(engine: EngineLine, accounts: Sequence[AccountRow], totals: Iterable[Totals]) -> str:
    """Return the evidence that nothing needs attention."""
    return ", ".join(_grounds(engine, accounts, list(totals)))


def _grounds(engine: EngineLine, accounts: Sequence[AccountRow], totals: Sequence[Totals]) -> Iterator[str]:
    on = [row for row in accounts if row.status != "disabled"]
    if not on:
        yield "no account is enabled" if engine.running else "no engine is running"
        return
    reached, wanted = sum(t.at_target for t in totals), sum(t.targets for t in totals)
    yield f"{reached} of {wanted} at target"
    oldest = max((row.read_age or 0.0 for row in on), default=0.0)
    which = f"all {len(on)} accounts" if len(on) > 1 else f"account {on[0].name}"
    yield f"{which} read within {duration(oldest)}"
