"""What a restart goes by is in the journal before an order leaves, also when the journal failed for a moment."""

from __future__ import annotations

import asyncio
from functools import partial

from te_core.accounts.keeper import Keeper, Persisted
from te_core.errors import EntryRefused
from te_core.journal.journal import Journal


def persist(journal: Journal, keeper: Keeper, entry: Persisted, *, reduction: bool = False) -> None:
    """Append without waiting: it shares the commit of the order that follows; what fails is appended again then.

    ``reduction``: a reduction waits for it, so it is persisted on a full disk too.
    """
    appended = journal.append(entry, awaited=False, reduction=reduction)
    appended.add_done_callback(partial(_appended, keeper, entry))


async def persist_pending(journal: Journal, keeper: Keeper, *, reduction: bool) -> None:
    """Append again what was not persisted. Raises ``JournalError``: then no order may leave."""
    if keeper.unpersisted:
        for entry in keeper.take_unpersisted():
            persist(journal, keeper, entry, reduction=reduction)
        await journal.append(reduction=reduction)


def _appended(keeper: Keeper, entry: Persisted, appended: asyncio.Future[None]) -> None:
    error = None if appended.cancelled() else appended.exception()
    if isinstance(error, EntryRefused):
        keeper.log.error("the journal refused a {}: {}", type(entry).__name__.lower(), error)
    elif error is not None:
        keeper.persist_failed(entry)
