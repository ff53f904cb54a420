"""What needs attention, worst first; one cause is one item, however many symbols or accounts it concerns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from te_core.reporting.figures import figure
from te_core.reporting.symbol_view import duration
from te_core.reporting.view.values import (
    AccountRow,
    Cell,
    EngineLine,
    Item,
    Mark,
    Severity,
    SourceRow,
)
from te_core.rules.key_expiry import remaining, stage

State = Mapping[str, Any]
CRITICAL, WARNING, NOTE = Severity
KINDS = (
    "halt",
    "engine",
    "breaker",
    "flatten",
    "account",
    "changed",
    "settings",
    "source",
    "order",
    "blocked",
    "foreign",
    "waiting",
    "observing",
    "pause",
    "risk_check",
    "notifier",
    "observer",
    "listener",
    "limit",
    "by_hand",
    "stop",
)
"""Kinds of items, in their order within one severity."""
NEAR = Decimal("0.8")
"""Usage of a breaker from which it is shown."""
WAITING_GRACE = timedelta(minutes=1)
"""How long a symbol may wait for unknown data before that is shown."""
_MOST_NAMED = 4
_FIGURES = re.compile(r"\d[\d.,:]*")
_WORDS = {
    "unreadable": "cannot be read",
    "failing": "cannot be connected",
    "unavailable": "cannot be used",
    "starting": "is being read for the first time",
}
_LEFT = {
    "reduce": "Not restored until the target changes (drift = reduce)",
    "heal": "Corrected too often, or liquidated: not restored until the target changes (drift = heal)",
    "alert": "Not corrected until the target changes (drift = alert)",
}


def attention(
    state: State,
    *,
    engine: EngineLine,
    accounts: Sequence[AccountRow],
    columns: Mapping[str, Mapping[str, Cell]],
    sources: Sequence[SourceRow],
) -> tuple[Item, ...]:
    """Return everything that needs attention, worst first."""
    cells = [cell for row in accounts for cell in columns[row.name].values()]
    drift = {name: one.get("drift", "") for name, one in state["accounts"].items()}
    found = [
        *_of_engine(state, engine),
        *_of_commands(state),
        *_of_breakers(state),
        *_of_accounts(state, accounts if engine.running else (), engine.now),
        *_of_sources(state, sources if engine.running else (), engine.now),
        *_changed(cells, drift),
        *_stuck(cells, engine.now),
        *_limited(cells),
        *_of_notifiers(state),
        *_of_risk_checks(state),
        *_of_observers(state),
    ]
    rank = list(Severity)
    return tuple(sorted(found, key=lambda item: (rank.index(item.severity), KINDS.index(item.kind))))


def named(names: Iterable[str]) -> str:
    """Return the first few names, and the number of the others."""
    every = list(dict.fromkeys(names))
    more = len(every) - _MOST_NAMED
    return ", ".join(every[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def counted(count: int, noun: str) -> str:
    """Return a count with its noun in the right number."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def sentence(text: str) -> str:
    """Return the text with a capital at its start and a full stop at its end."""
    text = text.strip()
    if not text:
        return ""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "…")) else ".")


def _parse_time(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None


# -- the engine and the settings


def _of_engine(state: State, engine: EngineLine) -> Iterator[Item]:
    if not engine.running:
        text = "This is the last state in the journal; current positions and equity are unknown."
        if engine.status == "not answering":
            title, remedy = "the engine does not answer", ""
            text = " ".join([*map(sentence, engine.reasons), text, "If it stays so, restart it."])
        else:
            title, remedy = "no engine is running", "te run"
        yield Item(severity=CRITICAL, kind="engine", title=title, text=text, remedy=remedy)
    for problem in state["engine"].get("troubles", ()):
        stopping = problem == "stopping"
        yield Item(
            severity=WARNING if stopping else CRITICAL,
            kind="engine",
            title="the engine is stopping" if stopping else "the journal cannot be written",
            text="" if stopping else "Alerts are answered 503 and orders wait.",
            detail="" if stopping else problem.removeprefix("journal: "),
        )
    if refused := state.get("settings", {}).get("refused"):
        title = f"settings refused: {counted(len(refused), 'problem')}"
        text = f"{sentence(refused[0])} The last valid settings stay active."
        yield Item(
            severity=CRITICAL,
            kind="settings",
            title=title,
            text=text,
            detail="\n".join(refused),
            remedy="te check",
        )
    if wrong := state.get("listeners", {}).get("private", {}).get("wrong_tokens"):
        title = f"{counted(wrong, 'request')} with a wrong token at the private listener"
        yield Item(severity=NOTE, kind="listener", title=title)


def _of_commands(state: State) -> Iterator[Item]:
    own = {
        (f"breaker {one['name']}", one["symbol"]) for one in state.get("breakers", ()) if one["tripped_at"]
    }
    for row in state.get("commands", ()):
        if row["topic"] == "observe" or (row["by"], row["symbol"]) in own:
            continue  # shown with the account, or with the breaker
        where, _, said = row["text"].partition(": ")
        verb, by, who = said.partition(" by ")
        severity, kind, remedy = _standing(row)
        yield Item(
            severity=severity,
            kind=kind,
            title=f"{where}: {verb}",
            text=sentence(f"by {who}") if by else "",
            remedy=remedy,
            since=_parse_time(row["at"]),
            accounts=(row["scope"],) if row["scope"] and row["topic"] != "pause" else (),
            symbols=(row["symbol"],) if row["symbol"] else (),
            source=row["scope"] if row["topic"] == "pause" else "",
        )
    for name, account in state["accounts"].items():
        if still := account.get("still_open"):
            title = f"{name}: {counted(len(still), 'position')} still to be closed"
            yield Item(
                severity=CRITICAL,
                kind="flatten",
                title=title,
                text=sentence("; ".join(still)),
                accounts=(name,),
            )


def _standing(row: State) -> tuple[Severity, str, str]:
    """Return the severity and kind of a standing command, and the command that ends it."""
    scope, symbol = row["scope"], f" --symbol {row['symbol']}" if row["symbol"] else ""
    lift = " ".join(part for part in ("te resume", scope) if part) + symbol
    if row["topic"] == "pause":
        return WARNING, "pause", lift
    if row["topic"] == "target":
        return NOTE, "stop" if row["state"] == "stopped" else "by_hand", lift
    return (NOTE if row["state"] == "next_signal" else CRITICAL), "halt", lift


def _of_breakers(state: State) -> Iterator[Item]:
    for one in state.get("breakers", ()):
        accounts = (one["account"],) if one["account"] else ()
        symbols = (one["symbol"],) if one["symbol"] else ()
        if one["tripped_at"]:
            title, _, text = one["text"].partition("; ")
            yield Item(
                severity=WARNING if one["action"] == "warn" else CRITICAL,
                kind="breaker",
                title=title,
                text=text,
                remedy=text.removesuffix(" lifts it"),
                since=_parse_time(one["tripped_at"]),
                accounts=accounts,
                symbols=symbols,
            )
        elif Decimal(str(one["used"])) >= NEAR:
            title = f"{one['account'] or 'all accounts'}: near a breaker"
            text = f"{sentence(one['text'])} When it trips: {one['action']}."
            yield Item(
                severity=NOTE, kind="breaker", title=title, text=text, accounts=accounts, symbols=symbols
            )


# -- accounts, sources, notifiers


def _of_accounts(state: State, accounts: Sequence[AccountRow], now: datetime | None) -> Iterator[Item]:
    failing: dict[tuple[Severity, str, str], list[AccountRow]] = {}
    for row in accounts:
        account = state["accounts"][row.name]
        if row.severity is not None and row.status in _WORDS:
            failing.setdefault((row.severity, row.status, row.cause), []).append(row)
        elif row.detail:
            title = f"{row.name}: {', '.join(account['trouble']['parts'])} failing"
            yield _account_item(WARNING, title, [row], sentence(row.cause))
        if (why := account.get("observing")) and row.status not in ("disabled", *_WORDS):
            yield Item(
                severity=WARNING,
                kind="observing",
                title=f"{row.name} observes",
                text=sentence(f"nothing is sent: {why}"),
                remedy=f"te go {row.name}",
                accounts=(row.name,),
            )
        yield from _of_key(row.name, _parse_time(account.get("key_expires_at")), now)
    for (severity, status, cause), rows in failing.items():
        names = ", ".join(row.name for row in rows)
        title = f"{names} {_WORDS[status]}"
        if len(rows) > 1:
            title = f"{len(rows)} accounts {_WORDS[status].replace('is ', 'are ')}: {names}"
        text = sentence(cause)
        if severity is CRITICAL:
            again = min((row.retry_at for row in rows if row.retry_at), default=None)
            text = " ".join((text, *_last_seen(rows), f"Nothing is sent there; {_again(again, now)}."))
        yield _account_item(severity, title, rows, text)


def _of_key(account: str, expires_at: datetime | None, now: datetime | None) -> Iterator[Item]:
    """Yield an item for a key that expires soon."""
    if expires_at is not None and now is not None and stage(expires_at, now) is not None:
        yield Item(
            severity=WARNING,
            kind="account",
            title=f"{account}: its key expires {remaining(expires_at, now)}",
            text="Nothing can be traded there then. Renew it at the exchange, or replace it.",
            accounts=(account,),
        )


def _again(at: datetime | None, now: datetime | None) -> str:
    """Return when something is retried."""
    if at is None or now is None:
        return "it is retried automatically"
    return f"it is retried in {duration(max((at - now).total_seconds(), 0.0))}"


def _account_item(severity: Severity, title: str, rows: Sequence[AccountRow], text: str) -> Item:
    return Item(
        severity=severity,
        kind="account",
        title=title,
        text=text,
        detail=rows[0].detail,
        remedy=f"te resume {rows[0].name}" if rows[0].status == "failing" else "",
        since=min((row.since for row in rows if row.since), default=None),
        accounts=tuple(row.name for row in rows),
    )


def _last_seen(rows: Sequence[AccountRow]) -> Iterator[str]:
    """Yield what the accounts held when they were last read."""
    held = [row.held for row in rows if row.held is not None]
    money = [row.equity for row in rows if row.equity is not None]
    currencies = {row.currency for row in rows}
    parts = [counted(sum(held), "position")] if held else []
    if money and len(currencies) == 1:
        parts.append(f"{figure(sum(money, Decimal(0)), places=0)} {currencies.pop()}".strip())
    if parts:
        yield f"{', '.join(parts)} as last seen."


def _of_sources(state: State, sources: Sequence[SourceRow], now: datetime | None) -> Iterator[Item]:
    for row in sources:
        if row.severity is CRITICAL:
            title = f"source {row.name}: {'failing' if row.status == 'running' else row.status}"
            again = _parse_time(state["sources"][row.name].get("retry_at"))
            tried = f" {sentence(_again(again, now))}" if again else ""
            yield _of_source(row, CRITICAL, title, sentence(row.reason) + tried)
        elif row.status == "paused":
            continue  # shown with the command
        elif row.silent_since:
            yield _of_source(
                row, WARNING, f"source {row.name} is silent", "Its signals have expired.", row.silent_since
            )
        elif row.severity is not None and (row.reason or row.status not in ("running", "disabled")):
            yield _of_source(row, WARNING, f"source {row.name}: {row.status}", sentence(row.reason))
        if row.expired and not row.silent_since and row.status == "running":
            title = f"source {row.name}: {counted(len(row.expired), 'signal')} expired"
            yield _of_source(row, WARNING, title, sentence(named(row.expired)), symbols=row.expired)
        if row.warning:
            yield _of_source(row, WARNING, f"source {row.name} warns", sentence(row.warning))


def _of_source(
    row: SourceRow,
    severity: Severity,
    title: str,
    text: str,
    since: datetime | None = None,
    *,
    symbols: tuple[str, ...] = (),
) -> Item:
    return Item(
        severity=severity,
        kind="source",
        title=title,
        text=text,
        since=since,
        symbols=symbols,
        source=row.name,
    )


def _of_notifiers(state: State) -> Iterator[Item]:
    for name, one in state.get("notifiers", {}).items():
        failing = one["status"] not in ("running", "disabled", "starting")
        if not failing and not one["dropped"]:
            continue
        dropped = f"{counted(one['dropped'], 'notice')} dropped" if one["dropped"] else ""
        waiting = f"{counted(one['waiting'], 'notice')} waiting" if one["waiting"] else ""
        title = f"notifier {name}: {one['status'] if failing else dropped}"
        text = " ".join(
            sentence(part) for part in (one["reason"], waiting, dropped if failing else "") if part
        )
        yield Item(severity=WARNING, kind="notifier", title=title, text=text)


def _of_risk_checks(state: State) -> Iterator[Item]:
    for name, one in state.get("risk_checks", {}).items():
        if one["status"] == "disabled" or not one["reason"]:
            continue
        held = one["on_failure"] == "hold"
        what = "increases are held" if held else "increases are allowed without it"
        yield Item(
            severity=CRITICAL if held else WARNING,
            kind="risk_check",
            title=f"risk check {name} fails: {what}",
            text=sentence(one["reason"]),
        )


def _of_observers(state: State) -> Iterator[Item]:
    for name, one in state.get("observers", {}).items():
        if one["status"] in ("running", "disabled", "starting"):
            continue
        waiting = f" {counted(one['waiting'], 'event')} waiting." if one["waiting"] else ""
        title = f"observer {name}: {one['status']}"
        yield Item(severity=WARNING, kind="observer", title=title, text=sentence(one["reason"]) + waiting)


# -- symbols


def _changed(cells: Iterable[Cell], drift: Mapping[str, str]) -> Iterator[Item]:
    by_account: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.mark is Mark.CHANGED:
            by_account.setdefault(cell.account, []).append(cell)
    for name, found in by_account.items():
        one = found[0]
        what = one.symbol if len(found) == 1 else counted(len(found), "symbol")
        held = f"Held {figure(one.size)}, target {figure(one.quantity)}. " if len(found) == 1 else ""
        which = "" if len(found) == 1 else f"{named(cell.symbol for cell in found)}. "
        yield Item(
            severity=CRITICAL,
            kind="changed",
            title=f"{name} {what}: changed by someone else",
            text=f"{held}{which}{_LEFT.get(drift[name], 'Not corrected until the target changes')}.",
            detail=one.why,
            remedy=f"te resume {name}",
            since=min((cell.since for cell in found if cell.since), default=None),
            accounts=(name,),
            symbols=tuple(cell.symbol for cell in found),
        )


def _stuck(cells: Iterable[Cell], now: datetime | None) -> Iterator[Item]:
    """Yield symbols that are blocked, held back or waiting, grouped by cause."""
    causes: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        if kind := _stuck_by(cell, now):
            cause = "" if kind == "foreign" else _FIGURES.sub("#", cell.why.replace(cell.symbol, ""))
            causes.setdefault((kind, cell.account, cause), []).append(cell)
    for (kind, account, _), found in causes.items():
        symbols = [cell.symbol for cell in found]
        what = symbols[0] if len(found) == 1 else counted(len(found), "symbol")
        which = "" if len(found) == 1 else f"{sentence(named(symbols))} "
        words = {"order": "held back", "blocked": "blocked", "foreign": "not opened by the engine"}
        yield Item(
            severity=WARNING,
            kind=kind,
            title=f"{account} {what}: {words.get(kind, kind)}",
            text=(which + sentence(found[0].why)).strip(),
            since=min((cell.since for cell in found if cell.since), default=None),
            accounts=(account,),
            symbols=tuple(symbols),
        )


def _stuck_by(cell: Cell, now: datetime | None) -> str:
    if cell.mark is Mark.FOREIGN:
        return "foreign"
    if cell.mark is Mark.BLOCKED:
        return "foreign" if "never opened" in cell.why else "blocked"
    if cell.mark is not Mark.WAITING:
        return ""
    if cell.held_back:
        return "order"
    waits = cell.since is not None and now is not None and now - cell.since >= WAITING_GRACE
    return "waiting" if waits else ""


def _limited(cells: Iterable[Cell]) -> Iterator[Item]:
    by_limit: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.mark is Mark.LIMITED:
            by_limit.setdefault(cell.limited_by or cell.why, []).append(cell)
    for limit, found in by_limit.items():
        accounts = tuple(dict.fromkeys(cell.account for cell in found))
        symbols = tuple(dict.fromkeys(cell.symbol for cell in found))
        yield Item(
            severity=NOTE,
            kind="limit",
            title=f"{limit} holds back {counted(len(found), 'position')}",
            text=f"{named(symbols)} on {named(accounts)}.",
            detail=found[0].why,
            accounts=accounts,
            symbols=symbols,
        )
