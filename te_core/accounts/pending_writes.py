"""Persists what a restart relies on before an order is sent, even if the journal failed temporarily."""

from __future__ import annotations

import asyncio
from functools import partial

from te_core.accounts.keeper import Keeper, Persisted
from te_core.errors import EntryRefused
from te_core.journal.journal import Journal


def persist(journal: Journal, keeper: Keeper, entry: Persisted, *, reduction: bool = False) -> None:
    """Append without waiting: the entry shares the next order's commit; if it fails, it is appended again then.

    ``reduction``: a reduction waits for it, so it is persisted even on a full disk.
    """
    appended = journal.append(entry, awaited=False, reduction=reduction)
    appended.add_done_callback(partial(_appended, keeper, entry))


async def persist_pending(journal: Journal, keeper: Keeper, *, reduction: bool) -> None:
    """Append again what was not persisted. Raises ``JournalError``: then no order may be sent."""
    if keeper.unpersisted:
        for entry in keeper.take_unpersisted():
            persist(journal, keeper, entry, reduction=reduction)
        await journal.append(reduction=reduction)


def _appended(keeper: Keeper, entry: Persisted, appended: asyncio.Future[None]) -> None:
    error = None if appended.cancelled() else appended.exception()
    if isinstance(error, EntryRefused):
        keeper.log.error(
            "the journal rejected a {} entry, which a restart will not know: {}",
            type(entry).__name__.lower(),
            error,
        )
    elif error is not None:
        keeper.persist_failed(entry)
