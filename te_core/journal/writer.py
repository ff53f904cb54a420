"""Group commit: whatever was appended while the former commit ran shares the next one, and its sync to disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from te_core.errors import EntryRefused, JournalError
from te_core.journal.database import DRIVER_ERROR, Prepared, blames_entry, explained, transaction
from te_core.journal.entries import Writes
from te_core.journal.files import OpenFiles
from te_core.journal.statements import Row, Statement


class Done(Protocol):
    """Whoever waits for an append: an ``asyncio.Future``, or what does without a future's turns of the loop."""

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Give the loop on which to tell it."""
        ...

    def done(self) -> bool:
        """Tell whether it no longer waits."""
        ...

    def set_result(self, result: None, /) -> None:
        """Tell it that the append is durable."""
        ...

    def set_exception(self, exception: JournalError, /) -> None:
        """Tell it that the append was not kept."""
        ...


Work = tuple[Writes, Done]
Outcome = tuple[Done, JournalError | None]
UNFIT = (
    SQLAlchemyError,
    DRIVER_ERROR,
    JournalError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)
"""What an entry that cannot be kept, or a database that cannot keep it, raises."""


class Committer:
    """Executes a batch of appends in one transaction."""

    def __init__(
        self, connection: Connection, path: Path, *, files: OpenFiles, on_trouble: Callable[[str], None]
    ) -> None:
        self.connection = connection
        self.trouble = ""
        """Why the last batch was not kept; "" if it was."""
        self._path = path
        self._files = files
        self._on_trouble = on_trouble
        self._prepared: dict[Statement, Prepared] = {}

    def commit(self, batch: Sequence[Work]) -> list[Outcome]:
        """Make a batch durable."""
        if problem := self._files.problem():
            return self._failed(batch, JournalError(problem))
        return self._commit(batch)

    def _commit(self, batch: Sequence[Work]) -> list[Outcome]:
        """Where an entry is unfit, the batch is split until it is alone."""
        try:
            self._execute(write for writes, _ in batch for write in writes)
        except UNFIT as error:
            unfit = blames_entry(error)
            if len(batch) > 1 and unfit:
                half = len(batch) // 2
                return self._commit(batch[:half]) + self._commit(batch[half:])
            reason = explained(self._path, error, EntryRefused if unfit else JournalError)
            return [(done, reason) for _, done in batch] if unfit else self._failed(batch, reason)
        self._set_trouble("")
        return [(done, None) for _, done in batch]

    def _failed(self, batch: Sequence[Work], error: JournalError) -> list[Outcome]:
        self._set_trouble(str(error))
        return [(done, error) for _, done in batch]

    def _set_trouble(self, text: str) -> None:
        before, self.trouble = self.trouble, text
        if bool(before) != bool(text):
            self._on_trouble(text)

    def _execute(self, writes: Iterable[tuple[Statement, Row]]) -> None:
        with transaction(self.connection) as cursor:
            for statement, rows in grouped(writes):
                changed = self._prepare(statement, rows[0]).execute(cursor, rows)
                if statement.exact and changed != len(rows):
                    raise JournalError(
                        f"{', '.join(row[statement.exact] for row in rows)}: {statement.refusal}"
                    )

    def _prepare(self, statement: Statement, example: Row) -> Prepared:
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = self._prepared[statement] = Prepared(statement.sql, self.connection, example)
        return prepared


def grouped(writes: Iterable[tuple[Statement, Row]]) -> list[tuple[Statement, list[Row]]]:
    """Collect rows by statement, keeping the order within each lane."""
    groups: list[tuple[Statement, dict[object, Row]]] = []
    newest: dict[str, tuple[Statement, dict[object, Row]]] = {}
    for statement, row in writes:
        group = newest.get(statement.lane)
        if group is None or group[0] is not statement:
            group = newest[statement.lane] = (statement, {})
            groups.append(group)
        rows = group[1]
        key = tuple([row[name] for name in statement.newest]) if statement.newest else len(rows)
        rows[key] = row
    return [(statement, list(rows.values())) for statement, rows in groups]


def resolve(outcomes: Iterable[Outcome]) -> None:
    """Tell those who wait; called on their loop. One who was cancelled no longer waits: the entry stays."""
    waiting = iter(outcomes)
    try:
        for done, error in waiting:
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
    finally:
        # Whoever is told may have a defect, which the loop reports; it must not leave the others waiting.
        if left := list(waiting):
            left[0][0].get_loop().call_soon(resolve, left)


class ThreadWriter:
    """Commits in a thread of its own, so that a sync to disk never holds up the event loop."""

    def __init__(self, commit: Callable[[Sequence[Work]], list[Outcome]]) -> None:
        self._commit = commit
        self._queue: SimpleQueue[Sequence[Work] | None] = SimpleQueue()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def submit(self, works: Sequence[Work]) -> None:
        """Take appends; each future resolves in its turn, and fails with ``JournalError`` if it was not kept."""
        self._queue.put(works)
        if self._stopped:
            self._refuse([])

    def close(self) -> None:
        """Wait until everything submitted is durable."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            taken = [self._queue.get(), *self._waiting()]
            more = None not in taken
            batch = [work for works in taken if works is not None for work in works]
            try:
                outcomes = self._commit(batch)
            except BaseException:
                # A defect rather than a failed write. It ends this thread, but leaves nobody waiting.
                self._stopped = True
                self._refuse(batch)
                raise
            self._deliver(outcomes)

    def _waiting(self) -> Iterator[Sequence[Work] | None]:
        while True:
            try:
                yield self._queue.get_nowait()
            except Empty:
                return

    def _refuse(self, batch: list[Work]) -> None:
        batch = batch + [work for works in self._waiting() if works is not None for work in works]
        reason = "the journal's writer has stopped: restart the engine"
        self._deliver([(done, JournalError(reason)) for _, done in batch])

    @staticmethod
    def _deliver(outcomes: list[Outcome]) -> None:
        for loop, group in groupby(outcomes, key=lambda outcome: outcome[0].get_loop()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(resolve, list(group))


class InlineWriter:
    """Commits on the event loop, once for all appends of a tick: for the virtual clock, where threads have no place."""

    def __init__(self, commit: Callable[[Sequence[Work]], list[Outcome]]) -> None:
        self._commit = commit
        self._batch: list[Work] = []

    def submit(self, works: Sequence[Work]) -> None:
        """Take appends."""
        if not self._batch:
            works[0][1].get_loop().call_soon(self.close)
        self._batch.extend(works)

    def close(self) -> None:
        """Commit what was submitted."""
        batch, self._batch = self._batch, []
        if batch:
            resolve(self._commit(batch))
