"""A halt while no engine is running: it is written to the journal, and the next engine starts with it."""

from __future__ import annotations

from typing import Any

from te_core.app.exclusive import CommandContext, exclusive_access
from te_core.errors import CommandRefused, nearest
from te_core.model.control import Command
from te_core.model.event import Event
from te_core.reporting.state import outcome_state
from te_core.rules.controls import controls_of, described, scope_of_book
from te_core.runtime.commands import Outcome


async def halt_offline(given: CommandContext, command: Command) -> dict[str, Any]:
    """Persist a halt and return what the engine would answer.

    Raise `JournalLocked` while an engine runs, `CommandRefused` for an unknown account or symbol.
    """
    with exclusive_access(given) as opened:
        snapshot, settings = opened.journal.snapshot(), opened.settings
        met = sorted(snapshot.accounts, key=lambda record: record.seen_at)
        books = {record.name: record.book for record in met}
        scopes = {name: (name, scope_of_book(books.get(name, name))) for name in settings.accounts}
        symbols = [*settings.symbols, *(symbol for _, symbol in snapshot.books)]
        for name in command.accounts:
            if name not in scopes:
                raise CommandRefused(f"there is no [accounts.{name}] in the settings{nearest(name, scopes)}")
        if command.symbol and command.symbol not in symbols:
            raise CommandRefused(
                f"no symbol {command.symbol} is in the settings or held anywhere"
                f"{nearest(command.symbol, symbols)}"
            )
        rows = controls_of(command, given.clock.now(), scopes)
        where = " ".join(filter(None, (", ".join(command.accounts) or "all accounts", command.symbol)))
        event = Event(
            at=given.clock.now(),
            kind=str(command.action),
            text=f"{where}: {described(rows[-1])}, while no engine was running",
            account=command.accounts[0] if len(command.accounts) == 1 else None,
            symbol=command.symbol or None,
            detail={"by": command.by, "reason": command.reason},
        )
        await opened.journal.append(*rows, event, reduction=True)
        return outcome_state(Outcome(set=rows), scopes=scopes)
