"""The journal: what must survive. One file, one writer, one lock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from te_core.clock import Clock
from te_core.errors import JournalError
from te_core.journal import database, schema, tables
from te_core.journal.entries import Clerk, Entry, Writes
from te_core.journal.lock import JournalLock
from te_core.journal.reader import JournalReader
from te_core.journal.redaction import Redact
from te_core.journal.retention import RULES
from te_core.journal.writer import UNFIT, Committer, InlineWriter, ThreadWriter, Work

LINGER = 0.005
"""Seconds for which an append that nobody has awaited waits for another that takes it along."""


class Journal(JournalReader):
    """Appends entries durably, and reads them. Made by ``open``."""

    def __init__(
        self, path: Path, *, connection: Connection, clerk: Clerk, clock: Clock, inline: bool
    ) -> None:
        super().__init__(path)
        self._committer = Committer(connection, path)
        self._writer = (
            InlineWriter(self._committer.commit) if inline else ThreadWriter(self._committer.commit)
        )
        self._held: list[Work] = []
        self._clerk = clerk
        self._clock = clock
        self._closing = ExitStack()
        self._closed = False
        self.journal_id = ""
        """Made with the file, and the same for the file's life."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        inline: bool = False,
        quarantine_limit: int = 500,
        redact: Redact = str,
    ) -> Self:
        """Open for writing; a journal that is not there yet is made, an older one upgraded.

        ``quarantine_limit``: refused inputs kept per source. ``redact`` takes secrets out of a text. ``inline``
        commits on the event loop instead of in a thread.

        Raises ``JournalLocked`` while another process writes it, ``JournalTooNew`` when a later version wrote it,
        ``JournalError`` when it is damaged, not a journal, or not permitted. No existing file is ever replaced.
        """
        path = path.resolve()
        with ExitStack() as opened:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                opened.callback(JournalLock(path).release)
                if not path.exists():
                    schema.create(path, journal_id=new_id(), at=clock.now())
                schema.check_file(path, writable=True)
                # Looking first without the right to write: another program's database stays as it is.
                with database.connect(path, readonly=True).begin() as looking:
                    schema.check_content(looking, path)
                connection = opened.enter_context(database.connect(path, readonly=False).connect())
                with connection.begin():
                    journal_id = schema.prepare(connection, path)
                    numbers = count(_last_number(connection) + 1)
            except (SQLAlchemyError, OSError) as error:
                raise database.explained(path, error) from error
            clerk = Clerk(numbers=numbers, quarantine_limit=quarantine_limit, redact=redact)
            journal = cls(path, connection=connection, clerk=clerk, clock=clock, inline=inline)
            journal.journal_id = journal_id
            journal._closing = opened.pop_all()
            return journal

    @staticmethod
    def open_readonly(path: Path) -> JournalReader:
        """Open for reading only, while an engine writes or not. Raises ``JournalError``, ``JournalTooNew``."""
        return JournalReader(path.resolve())

    def append(self, *entries: Entry, awaited: bool = True) -> asyncio.Future[None]:
        """Append entries, all of them or none. Appends keep the order of the calls.

        The future resolves when they are durable. It fails with ``JournalError`` when they are not kept: the disk
        is full or damaged, an intent's client order id was used before, a settlement's intent is unknown, a
        target's revision was there before.

        One that nobody has ``awaited`` starts no commit of its own at once, for which the next append would have to
        wait: that takes it along. If it is not kept, nobody hears of it.
        """
        try:
            writes = tuple(write for entry in entries for write in self._clerk.writes(entry))
        except UNFIT as error:
            done = self._refused(database.explained(self.path, error))
        else:
            done = self._submit(writes, awaited=awaited)
        if not awaited:
            done.add_done_callback(lambda future: future.cancelled() or future.exception())
        return done

    async def prune(self, older_than: timedelta) -> None:
        """Delete history of that age that is no longer in force, in small transactions between the appends.

        What ``memory`` gives never changes, except for a ``last_outcome_at`` of that age. What ``deliveries`` gives
        from before that age does.
        """
        now = self._clock.now()
        before = now - older_than
        for rule in RULES:
            after = -1
            while True:
                with self._snapshot() as connection:
                    last = rule.last_old(connection, after=after, before=before, now=now)
                if last is None:
                    break
                await self._submit(((rule.delete, {"after": after, "last": last, "before": before}),))
                after = last

    def close(self) -> None:
        """Make what was appended durable, then let the file and its lock go. May be called again."""
        if self._closed:
            return
        self._flush()
        self._closed = True
        self._writer.close()
        super().close()
        self._closing.close()

    def _submit(self, writes: Writes, *, awaited: bool = True) -> asyncio.Future[None]:
        if self._closed:
            return self._refused(JournalError(f"journal {self.path} is closed"))
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._held.append((writes, done))
        if awaited:
            self._flush()
        elif len(self._held) == 1:
            loop.call_later(LINGER, self._flush)
        return done

    def _flush(self) -> None:
        held, self._held = self._held, []
        for work in held:
            self._writer.submit(work)

    @staticmethod
    def _refused(error: JournalError) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_exception(error)
        return done


def _last_number(connection: Connection) -> int:
    lasts = [connection.execute(select(func.max(table.c.number))).scalar() for table in tables.HISTORY]
    return max((last for last in lasts if last is not None), default=0)
