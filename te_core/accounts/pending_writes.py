"""What a restart goes by is in the journal before an order leaves, also when the journal failed for a moment."""

from __future__ import annotations

import asyncio
from functools import partial

from te_core.accounts.keeper import SymbolState
from te_core.errors import EntryRefused
from te_core.journal.journal import Journal
from te_core.model.order import Settlement
from te_core.model.target import Confirmation, Goal, Target

Kept = Target | Goal | Confirmation | Settlement


def keep(journal: Journal, state: SymbolState, entry: Kept) -> None:
    """Append without waiting: it shares the commit of the order that follows; what fails is appended again then."""
    appended = journal.append(entry, awaited=False)
    appended.add_done_callback(partial(_note, state, entry))


async def catch_up(journal: Journal, state: SymbolState) -> None:
    """Append again what was not kept. Raises ``JournalError``: then no order may leave."""
    unkept, state.unkept = state.unkept, []
    if unkept:
        for entry in unkept:
            if _counts(state, entry):
                keep(journal, state, entry)
        await journal.append()


def _note(state: SymbolState, entry: Kept, appended: asyncio.Future[None]) -> None:
    error = None if appended.cancelled() else appended.exception()
    if isinstance(error, EntryRefused):
        state.log.error("a {} was refused: {}", type(entry).__name__.lower(), error)
    elif error is not None:
        state.unkept = [*(one for one in state.unkept if _counts(state, one)), entry]


def _counts(state: SymbolState, entry: Kept) -> bool:
    """Whether an entry still counts: a newer one of its kind takes its place."""
    newest = (state.target, state.goal, state.confirmation)
    return isinstance(entry, Settlement) or any(entry is one for one in newest)
