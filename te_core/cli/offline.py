"""Builds the state from settings and journal while no engine is running. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from te_core.app.paths import Paths
from te_core.cli.client import NOT_RUNNING, holder_of_journal, why_no_answer
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_note
from te_core.clock import SystemClock
from te_core.journal.journal import Journal
from te_core.journal.reader import JournalReader
from te_core.journal.snapshot import JournalSnapshot
from te_core.reporting.account_state import last_seen
from te_core.reporting.breaker_view import show_breakers
from te_core.reporting.command_view import standing_commands
from te_core.reporting.explain import explain, explain_signals, show_signal, text
from te_core.rules.controls import Controls, scope_of_book
from te_core.runtime.breakers import remembered
from te_core.settings.loading import load_settings
from te_core.settings.schema import Settings


@contextmanager
def opened_journal(paths: Paths) -> Iterator[tuple[Settings, JournalReader]]:
    """Open settings and journal for reading, with a note on stderr."""
    settings = load_settings(paths.settings, os.environ)
    file = paths.state / settings.journal.file
    if not file.exists():
        raise Failure(
            f"no engine found in {paths.state}: none has run yet, or the folder was moved or deleted",
            next_step=f"start it: te --settings {paths.settings} run",
            code=ExitCode.ENGINE,
        )
    print_note(f"{why_no_answer(paths)}; reading the journal {file}")
    reader = Journal.open_readonly(file)
    try:
        yield settings, reader
    finally:
        reader.close()


def offline_state(paths: Paths) -> dict[str, Any]:
    """Return the state as of the last run; current positions and equity are not known."""
    with opened_journal(paths) as (settings, journal):
        snapshot = journal.snapshot()
    hangs = holder_of_journal(paths)
    return {
        "engine": {
            "version": None,
            "pid": None,
            "started_at": None,
            "status": "not answering" if hangs else "stopped",
            "reasons": [f"{hangs} is starting, busy or stuck"] if hangs else [NOT_RUNNING],
            "now": text(SystemClock().now()),
        },
        "breakers": show_breakers(remembered(snapshot)),
        "commands": _commands(snapshot),
        "sources": {name: _source(settings, name, snapshot) for name in settings.sources},
        "accounts": {name: _account(settings, name, snapshot) for name in settings.accounts},
        "symbols": {
            symbol: {"leverage": str(section.leverage), "weights": section.weights}
            for symbol, section in settings.symbols.items()
        },
        "plugins": [],
    }


def _commands(snapshot: JournalSnapshot) -> list[dict[str, Any]]:
    """Return the standing commands, which also apply to the next engine."""
    scopes = {record.name: (record.name, scope_of_book(record.book)) for record in snapshot.accounts}
    return standing_commands(Controls.of(snapshot.controls), scopes)


def _source(settings: Settings, name: str, snapshot: JournalSnapshot) -> dict[str, Any]:
    section = settings.sources[name]
    signals = [signal for signal in snapshot.signals if signal.source == name]
    return {
        "plugin": section.plugin,
        "enabled": section.enabled and settings.plugin_enabled(section.plugin),
        "status": "stopped",
        "reason": "",
        "last_signal_at": text(max((signal.received_at for signal in signals), default=None)),
        "signals": {signal.symbol: show_signal(signal) for signal in signals},
        "counters": {},
    }


def _account(settings: Settings, name: str, snapshot: JournalSnapshot) -> dict[str, Any]:
    section = settings.accounts[name]
    books = {symbol: book for (account, symbol), book in snapshot.books.items() if account == name}
    return {
        "plugin": section.plugin,
        "enabled": section.enabled and settings.plugin_enabled(section.plugin),
        "status": "stopped",
        "reason": "",
        "equity": None,
        "last_seen": last_seen(next((one for one in snapshot.equity if one.account == name), None)),
        "positions": {},
        # Prices that orders were last sized with: the newest available for valuing last-seen positions.
        "prices": {
            symbol: text(book.goal.price) for symbol, book in books.items() if book.goal and book.goal.price
        },
        "targets": {
            symbol: {
                "depth": text(book.target.depth),
                "leverage": str(book.target.leverage),
                "quantity": (sizing := explain(book.target, book.goal, None)["sizing"])
                and sizing["quantity"],
                "revision": book.target.revision,
                "confirmed": book.confirmation is not None
                and book.confirmation.revision == book.target.revision,
                "status": "stopped",
                "reason": "",
                "last_confirmed": None
                if book.confirmation is None
                else {"quantity": text(book.confirmation.quantity), "at": text(book.confirmation.at)},
            }
            for symbol, book in books.items()
        },
    }


def offline_explanation(paths: Paths, symbol: str) -> dict[str, Any]:
    """Explain the active targets from the journal."""
    with opened_journal(paths) as (_, journal):
        snapshot = journal.snapshot()
    books = snapshot.books
    found = {
        account: explain(book.target, book.goal, book.confirmation)
        for (account, name), book in books.items()
        if name == symbol
    }
    if not found:
        known = ", ".join(dict.fromkeys(name for _, name in books)) or "none"
        raise Failure(f"no account has a target for {symbol} (known: {known})")
    signals = {signal.source: signal for signal in snapshot.signals if signal.symbol == symbol}
    return {"symbol": symbol, "signals": explain_signals(signals), "accounts": found}
