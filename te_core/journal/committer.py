"""Execute appends in numbered transactions, and determine the outcome of one that the database did not confirm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from te_core.errors import EntryRefused, JournalError
from te_core.journal.database import (
    DRIVER_ERROR,
    CommitUnanswered,
    Prepared,
    blames_entry,
    explained,
    is_full,
    read_number,
    recycle_log,
    transaction,
    write_number,
)
from te_core.journal.entries import Statements
from te_core.journal.files import OpenFiles
from te_core.journal.reserve import Reserve
from te_core.journal.statements import Row, Statement


class Done(Protocol):
    """What is resolved after an append: an ``asyncio.Future``, or a class that avoids a future's turns of the loop."""

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop on which to call the setters."""
        ...

    def done(self) -> bool:
        """Return whether it is already resolved or cancelled."""
        ...

    def set_result(self, result: None, /) -> None:
        """Report that the append is durable."""
        ...

    def set_exception(self, exception: JournalError, /) -> None:
        """Report that the append was not stored."""
        ...


class Work(NamedTuple):
    """One append."""

    writes: Statements
    done: Done
    reduces: bool = False
    """It only serves to reduce positions, so it may use the disk reserve."""
    first: bool = False
    """It is a signal, whose sender waits until it is stored, and not for long: TradingView gives up after 3 s."""


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
"""Errors raised by an entry that cannot be stored, or by a database that cannot store it."""

STOPPED = "the journal's writer has stopped; restart the engine, which then knows which of the last entries were stored"


@dataclass(slots=True)
class Doubt:
    """A batch whose commit was not confirmed."""

    batch: Sequence[Work]
    cause: JournalError
    verdicts: dict[int, bool]
    """Whether the batch was stored, by the number that the journal turns out to have."""


class Committer:
    """Executes each batch of appends in one transaction with its own number.

    A commit that the database does not confirm may be stored nevertheless, even if only a crash reveals it. So its
    appends wait: the number is read back, and another commit is made on top, which settles the outcome. Until that
    succeeds nothing else is written.
    """

    def __init__(
        self,
        connection: Connection,
        path: Path,
        *,
        files: OpenFiles,
        reserve: Reserve,
        on_problem: Callable[[str], None],
    ) -> None:
        self.connection = connection
        self.problem = ""
        """Why the last batch was not stored, or what else is wrong; "" if nothing is."""
        self._path = path
        self._files = files
        self._reserve = reserve
        self._on_problem = on_problem
        self._prepared: dict[Statement, Prepared] = {}
        self._doubt: Doubt | None = None
        with transaction(connection) as cursor:
            self._number = read_number(cursor)

    def commit(self, batch: Sequence[Work]) -> list[Outcome]:
        """Commit a batch; the returned outcomes may include appends of an earlier batch."""
        try:
            return self._commit_or_refuse(batch)
        except BaseException:  # a defect: the writer ends
            self._set_problem(STOPPED)
            raise

    def _commit_or_refuse(self, batch: Sequence[Work]) -> list[Outcome]:
        if problem := self._files.problem():
            return self._failed(batch, JournalError(problem))
        decided = self._decide()
        if self._doubt is None and not self._reserve.restore():
            batch, refused = self._only_reductions(batch, JournalError(self._reserve.problem()))
            decided += refused
        return decided + self._commit(batch)

    def abandon(self) -> list[Outcome]:
        """Return the appends in doubt as failed, because no further commit will follow."""
        doubt, self._doubt = self._doubt, None
        return [] if doubt is None else [(work.done, _in_doubt(doubt.cause)) for work in doubt.batch]

    def _commit(self, batch: Sequence[Work], *, recycled: bool = False) -> list[Outcome]:
        """Commit a batch; if an entry is unfit, split the batch until that entry is alone."""
        if self._doubt is not None:
            return self._failed(batch, _in_doubt(self._doubt.cause))
        if not batch:
            return []
        try:
            self._execute(write for work in batch for write in work.writes)
        except CommitUnanswered as error:
            return self._doubtful(batch, error)
        except UNFIT as error:
            unfit = blames_entry(error)
            if len(batch) > 1 and unfit:
                half = len(batch) // 2
                return self._commit(batch[:half]) + self._commit(batch[half:])
            reason = explained(self._path, error, EntryRefused if unfit else JournalError)
            if unfit:
                return [(work.done, reason) for work in batch]
            if is_full(error):
                return self._without_space(batch, reason, recycled=recycled)
            return self._failed(batch, reason)
        if short := self._reserve.problem():
            recycle_log(self.connection)  # after each commit, so that the log does not grow into the reserve
        self._set_problem(short)
        return [(work.done, None) for work in batch]

    def _execute(self, writes: Iterable[tuple[Statement, Row]]) -> None:
        number = self._number + 1
        with transaction(self.connection) as cursor:
            for statement, rows in grouped(writes):
                changed = self._prepare(statement, rows[0]).execute(cursor, rows)
                if statement.exact and changed != len(rows):
                    raise JournalError(
                        f"{', '.join(row[statement.exact] for row in rows)}: {statement.refusal}"
                    )
            write_number(cursor, after=self._number, number=number)
        self._number = number

    def _prepare(self, statement: Statement, example: Row) -> Prepared:
        prepared = self._prepared.get(statement)
        if prepared is None:
            prepared = self._prepared[statement] = Prepared(statement.sql, self.connection, example)
        return prepared

    # -- a commit that was not confirmed

    def _doubtful(self, batch: Sequence[Work], error: CommitUnanswered) -> list[Outcome]:
        cause = explained(self._path, error.reason)
        self._doubt = Doubt(batch, cause, {self._number: False, self._number + 1: True})
        self._set_problem(str(_in_doubt(cause)))
        return self._decide()

    def _decide(self) -> list[Outcome]:
        """Determine whether the batch in doubt was stored; return nothing as long as that fails."""
        doubt = self._doubt
        if doubt is None:
            return []
        try:
            kept = self._overwrite(doubt)
        except (CommitUnanswered, *UNFIT) as error:
            return self._decide() if is_full(error) and self._reserve.release() else []
        self._doubt = None
        self._set_problem(self._reserve.problem())
        return [(work.done, None if kept else doubt.cause) for work in doubt.batch]

    def _overwrite(self, doubt: Doubt) -> bool:
        """Commit on top of what the journal has, so that log remains of a failed commit cannot reappear."""
        with transaction(self.connection) as cursor:
            found = read_number(cursor)
            kept = doubt.verdicts[
                found
            ]  # any other number is from another program; the batch stays in doubt then
            number = max(doubt.verdicts) + 1
            doubt.verdicts = {found: kept, number: kept}
            write_number(cursor, after=found, number=number)
        self._number = number
        return kept

    # -- a disk without space

    def _without_space(self, batch: Sequence[Work], error: JournalError, *, recycled: bool) -> list[Outcome]:
        """Continue for reductions only: first in the log's own space, which costs least, then with the reserve."""
        reductions, refused = self._only_reductions(batch, error)
        if not reductions:
            return refused
        enough = not recycled or self._reserve.release()
        while enough and not recycle_log(self.connection):
            enough = self._reserve.release()
        return refused + (
            self._commit(reductions, recycled=True) if enough else self._failed(reductions, error)
        )

    def _only_reductions(
        self, batch: Sequence[Work], error: JournalError
    ) -> tuple[list[Work], list[Outcome]]:
        others = [work for work in batch if not work.reduces]
        return [work for work in batch if work.reduces], self._failed(others, error) if others else []

    def _failed(self, batch: Sequence[Work], error: JournalError) -> list[Outcome]:
        self._set_problem(str(error))
        return [(work.done, error) for work in batch]

    def _set_problem(self, text: str) -> None:
        before, self.problem = self.problem, text
        if bool(before) != bool(text):
            self._on_problem(text)


def _in_doubt(cause: JournalError) -> JournalError:
    return JournalError(
        f"{cause}; it is not known yet whether the last entries were stored, so nothing else is written"
    )


def grouped(writes: Iterable[tuple[Statement, Row]]) -> list[tuple[Statement, list[Row]]]:
    """Group rows by statement, preserving the order within each lane.

    Raise `JournalError` if an order is resolved before it is recorded: outcomes are executed last, and would pass.
    """
    resolved: set[object] = set()
    groups: list[tuple[Statement, dict[object, Row]]] = []
    newest: dict[str, tuple[Statement, dict[object, Row]]] = {}
    for statement, row in writes:
        if statement.last:
            resolved.add(row[statement.exact])
        elif statement.exact and row[statement.exact] in resolved:
            raise JournalError(f"{row[statement.exact]}: resolved before it is recorded")
        group = newest.get(statement.lane)
        if group is None or group[0] is not statement:
            group = newest[statement.lane] = (statement, {})
            groups.append(group)
        rows = group[1]
        key = tuple([row[name] for name in statement.newest]) if statement.newest else len(rows)
        rows[key] = row
    groups.sort(key=lambda group: group[0].last)
    return [(statement, list(rows.values())) for statement, rows in groups]
