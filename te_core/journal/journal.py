"""The journal, which stores what must survive a restart. One file, one writer, one lock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from te_core.clock import Clock
from te_core.errors import EntryRefused, JournalError
from te_core.journal import database, schema, tables
from te_core.journal.committer import UNFIT, Committer, Done, Work
from te_core.journal.entries import Entry, EntryEncoder, reduces
from te_core.journal.files import OpenFiles
from te_core.journal.identities import book_of
from te_core.journal.lock import JournalLock
from te_core.journal.reader import JournalReader
from te_core.journal.reserve import Reserve
from te_core.journal.retention import RULES, SAMPLES, THIN
from te_core.journal.snapshot import AccountRecord
from te_core.journal.writer import InlineWriter, ThreadWriter, resolve
from te_core.model.control import Control
from te_core.model.event import Event
from te_core.model.signal import Signal
from te_core.rules.thinning import superfluous
from te_core.secrets import Redact
from te_core.tasks import ignore_error

MAX_DELAY = 0.005
"""Seconds for which an append that is not awaited waits for another one to share its commit."""

QUIET_TURNS = 3
"""Turns of the loop without a new append of a stream until it is committed: by then everything already read from
the network has arrived here."""

PROBE = 10.0
"""Seconds after which a journal that could not be written is retried although nothing is appended."""

MAX_BATCH = 64
"""Appends of a stream after which it is committed at once."""


class Journal(JournalReader):
    """Appends entries durably, and reads them. Created by ``open``."""

    def __init__(
        self,
        path: Path,
        *,
        connection: Connection,
        files: OpenFiles,
        reserve: Reserve,
        encoder: EntryEncoder,
        clock: Clock,
        inline: bool,
        on_problem: Callable[[str], None],
    ) -> None:
        super().__init__(path)
        self._files = files
        self._reserve = reserve
        self._on_problem = on_problem
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news: asyncio.Future[None] | None = None
        self._flushes = 0
        self._committer = Committer(
            connection, path, files=files, reserve=reserve, on_problem=self._problem_changed
        )
        self._writer = (
            InlineWriter(self._committer.commit) if inline else ThreadWriter(self._committer.commit)
        )
        self._held: list[Work] = []
        self._streamed = 0
        self._gathering = False
        self._max_batch = 1 if inline else MAX_BATCH
        self._encoder = encoder
        self._clock = clock
        self._closing = ExitStack()
        self._closed = False
        self._identifying = asyncio.Lock()
        self.journal_id = ""
        """Generated with the file, and constant for the file's life."""

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
        on_problem: Callable[[str], None] | None = None,
    ) -> Self:
        """Open for writing; create a journal that does not exist yet, upgrade an older one.

        ``quarantine_limit``: refused inputs stored per source. ``redact`` removes secrets from a text. ``inline``
        commits on the event loop instead of in a thread. ``on_problem`` is called on the event loop with the reason
        when appends start to fail, and with "" when they are stored again.

        Raise `JournalLocked` while another process writes it, `JournalTooNew` if a later version wrote it,
        `JournalError` if it is damaged, not a journal, or not permitted. No existing file is ever replaced.
        """
        path = path.resolve()
        with ExitStack() as opened:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                lock = JournalLock(path)
                opened.callback(lock.release)
                reserve = Reserve(path, clock)
                if not path.exists():
                    schema.create(path, journal_id=new_id(), at=clock.now())
                connection = opened.enter_context(_connected(path))
                with connection.begin():
                    journal_id = schema.prepare(connection, path)
                    numbers = count(_last_number(connection) + 1)
                files = OpenFiles(path, lock_path=lock.path, lock=lock.fileno())
            except (SQLAlchemyError, OSError) as error:
                raise database.explained(path, error) from error
            journal = cls(
                path,
                connection=connection,
                files=files,
                reserve=reserve,
                encoder=EntryEncoder(numbers=numbers, quarantine_limit=quarantine_limit, redact=redact),
                clock=clock,
                inline=inline,
                on_problem=on_problem or _nobody_listens,
            )
            journal.journal_id = journal_id
            journal._closing = opened.pop_all()
            return journal

    @staticmethod
    def open_readonly(path: Path) -> JournalReader:
        """Open for reading only, even while an engine writes. Raise `JournalError` or `JournalTooNew` if that fails."""
        return JournalReader(path.resolve())

    def holds_lock(self) -> bool:
        """Return whether this is still the only engine of its journal (I15); check right before signing a request.

        False once it is closed, and while its files or its lock are not in their place: moved, deleted or replaced.
        """
        return not self._closed and not self._files.problem()

    def size(self) -> int:
        """Return the size of its files on disk in bytes."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def problem(self) -> str:
        """Return why appends are not stored at present; "" while they are."""
        return self._files.problem() or self._committer.problem or self._reserve.problem()

    def append(self, *entries: Entry, awaited: bool = True, reduction: bool = False) -> asyncio.Future[None]:
        """Append entries, all of them or none. Appends keep the order of the calls.

        The future resolves when they are durable. It fails with `JournalError` if they were not stored and never will
        be: the disk is full or damaged, a file is not in its place, an intent's client order id was used before, an
        outcome's intent is unknown, a target's revision already exists. While neither is certain, it stays pending.

        On a full disk only what reduces positions is stored: entries of that kind, and those that the caller marks as
        part of a ``reduction``.

        An append that is not ``awaited`` does not start its own commit at once, for which the next append would have to
        wait; it shares the commit of the next one. If it cannot be stored, no error is reported.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._append(done, entries, reduction=reduction)
        if any(isinstance(entry, Event) for entry in entries):
            done.add_done_callback(self._announce)
        if awaited:
            self._flush()
        else:
            if len(self._held) == 1:
                done.get_loop().call_later(MAX_DELAY, self._flush)
            ignore_error(done)
        return done

    def stream(self, done: Done, entry: Entry) -> None:
        """Append one of many entries that arrive at about the same time, and commit it together with them.

        A commit costs as much as several alerts, whatever is in it. Started with the first entry, it would leave the
        others to the next commit. ``done`` is resolved on the loop, and not before this returns. Order and errors are
        those of ``append``.
        """
        self._append(done, (entry,))
        self._streamed += 1
        if self._streamed >= self._max_batch:
            self._flush()
        elif not self._gathering:
            self._gathering = True
            self._gather(done.get_loop(), self._streamed, 0)

    def _gather(self, loop: asyncio.AbstractEventLoop, seen: int, quiet_turns: int) -> None:
        quiet_turns = quiet_turns + 1 if self._streamed == seen else 0
        self._gathering = self._streamed > 0 and quiet_turns <= QUIET_TURNS
        if self._gathering:
            loop.call_soon(self._gather, loop, self._streamed, quiet_turns)
        else:
            self._flush()

    async def identify(
        self,
        *,
        name: str,
        plugin: str,
        host: str,
        uid: str,
        paper: bool = False,
        currency: str = "",
        first: Callable[[str], Iterable[Control]] = lambda _book: (),
    ) -> str:
        """Return the book of an account: the key of its targets, goals and orders, as ``account``, in the journal.

        It is derived from ``plugin``, ``host`` and ``uid``; ``name`` is the account's current name in the settings. The
        record is durable when this returns. Raise `JournalError` if a new account cannot be recorded. ``paper``,
        ``currency``: the kind of its money; an empty currency keeps the previous one.

        ``first`` returns, by book, the controls that apply from the first connection of a new account; they are
        recorded together with it, or neither is.
        """
        async with self._identifying:
            known = {record.book: record for record in self.accounts()}
            book = book_of(tuple(known.values()), name=name, plugin=plugin, host=host, uid=uid)
            seen = AccountRecord(
                book=book,
                name=name,
                plugin=plugin,
                host=host,
                uid=uid,
                seen_at=self._clock.now(),
                paper=paper,
                currency=currency or (known[book].currency if book in known else ""),
            )
            if book in known:
                self.append(seen, awaited=False)
            else:
                await self.append(seen, *first(book))
        return book

    async def prune(self, older_than: timedelta) -> None:
        """Delete history of that age that is no longer active, in small transactions between the appends.

        The result of ``snapshot`` never changes, except for a ``last_outcome_at`` of that age. The result of
        ``deliveries`` loses what is older than that age.
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
                deleted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._hold(Work(((rule.delete, {"after": after, "last": last, "before": before}),), deleted))
                self._flush()
                await deleted
                after = last
        await self._thin_equity(now)

    async def _thin_equity(self, now: datetime) -> None:
        """Delete equity samples that are redundant next to others by now."""
        after, seen = -1, None
        while True:
            with self._snapshot() as connection:
                samples = [tuple(row) for row in connection.execute(SAMPLES, {"after": after})]
            if not samples:
                return
            await asyncio.sleep(0)  # yield to the loop: there may be many
            after = samples[-1][0]
            gone, seen = superfluous(samples, now, seen)
            if gone:
                deleted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._hold(
                    Work(tuple((THIN, {"thinned": number, "before": now}) for number in gone), deleted)
                )
                self._flush()
                await deleted

    def close(self) -> None:
        """Commit what was appended, then release the file and its lock. May be called again."""
        if self._closed:
            return
        self._flush()
        self._closed = True
        self._writer.close()
        resolve(self._committer.abandon())
        super().close()
        self._closing.close()

    def _append(self, done: Done, entries: Sequence[Entry], *, reduction: bool = False) -> None:
        try:
            writes = tuple([write for entry in entries for write in self._encoder.statements_of(entry)])
        except UNFIT as error:
            _refuse(done, database.explained(self.path, error, EntryRefused))
        else:
            reducing = reduction or all(map(reduces, entries))
            self._hold(Work(writes, done, reducing, first=any(isinstance(one, Signal) for one in entries)))

    @property
    def writes(self) -> int:
        """The number of times that entries were handed to the writer in this run."""
        return self._flushes

    def news(self) -> asyncio.Future[None]:
        """Return a future that resolves when the next event is durable; get it before reading the existing events."""
        if self._news is None or self._news.done():
            self._news = asyncio.get_running_loop().create_future()
        return self._news

    def _announce(self, kept: asyncio.Future[None]) -> None:
        """Wake those that wait for an event, now that one is durable. They read again, so it may be any event."""
        del kept
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _hold(self, work: Work) -> None:
        if self._closed:
            _refuse(work.done, JournalError(f"journal {self.path} is closed"))
        else:
            self._held.append(work)
            self._loop = work.done.get_loop()

    def _flush(self) -> None:
        held, self._held, self._streamed = self._held, [], 0
        if held:
            self._flushes += 1
            self._writer.submit(held)

    def _problem_changed(self, text: str) -> None:
        """Forward a change of the problem to the loop; the writer calls this, possibly from its thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._report_problem, text)

    def _report_problem(self, text: str) -> None:
        self._on_problem(text)
        if text:
            self._probe_later()

    def _probe_later(self) -> None:
        assert self._loop is not None
        self._loop.call_later(PROBE, self._probe, self._flushes)

    def _probe(self, flushes: int) -> None:
        """Check whether the journal can be written again, unless an append has tried meanwhile."""
        if self._closed or not self._committer.problem:
            return
        if flushes == self._flushes:
            ignore_error(self.append())
        self._probe_later()


def _connected(path: Path) -> Connection:
    schema.check_file(path, writable=True)
    # Check first with a read-only connection, so that another program's database is not changed.
    with database.connect(path, readonly=True).begin() as reader:
        schema.check_content(reader, path)
    return database.connect(path, readonly=False).connect()


def _nobody_listens(problem: str) -> None:
    del problem


def _refuse(done: Done, error: JournalError) -> None:
    done.get_loop().call_soon(resolve, [(done, error)])


def _last_number(connection: Connection) -> int:
    lasts = [
        connection.execute(select(func.max(table.c.number))).scalar()
        for table in (*tables.HISTORY, tables.controls, tables.breakers)
    ]
    return max((last for last in lasts if last is not None), default=0)
