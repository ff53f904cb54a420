"""The only module that depends on the database (SQLite): connecting, upserts, and the meaning of its errors.

PostgreSQL would need another ``connect``, another ``insert`` and named parameters here, and an advisory lock instead
of the lock file.
"""

from __future__ import annotations

import errno
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Table, UpdateBase, create_engine, event
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.exc import StatementError
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.compiler import SQLCompiler

from te_core.errors import JournalError

DRIVER_ERROR = sqlite3.Error
"""What ``transaction`` raises if the database cannot write, or an entry is unfit: nothing was stored."""

Unable = sqlite3.OperationalError
"""The database cannot write, whatever the entry is."""


class CommitUnanswered(Exception):
    """The database did not confirm a commit: either all of it was stored, or nothing."""

    def __init__(self, reason: sqlite3.Error) -> None:
        self.reason = reason
        super().__init__(str(reason))


BUSY_SECONDS = 5.0
"""How long a statement waits for another program that holds the file's lock."""

CHECK_UP_TO = 64 * 1024 * 1024
"""Bytes up to which every page is checked at the start; larger files are only checked where they are read."""

DAMAGED = "the file is damaged: restore a copy, or move it away with its -wal file and check the exchange's positions"
PERMISSION = "give this user write permission to the file and its folder, or choose another with TE_HOME"
_SPACE = "free disk space; this was not stored, and the engine then continues on its own"
_REMEDIES = {
    "SQLITE_CORRUPT": DAMAGED,
    "SQLITE_NOTADB": "this is not a journal: choose another path in journal.file, or restore a copy",
    "SQLITE_BUSY": "another program holds the file: close it",
    "SQLITE_FULL": _SPACE,
    "SQLITE_IOERR": "check the disk: space, quota, health",
    "SQLITE_READONLY": PERMISSION,
    "SQLITE_CANTOPEN": PERMISSION,
    "EACCES": PERMISSION,
    "EPERM": PERMISSION,
    "EROFS": PERMISSION,
    "ENOSPC": _SPACE,
}


def connect(path: Path, *, readonly: bool) -> Engine:
    """Return an engine for an existing file; every transaction of a writable one takes the write lock at once."""
    begin = "BEGIN" if readonly else "BEGIN IMMEDIATE"
    engine = create_engine(
        "sqlite://", creator=lambda: _open(path, readonly=readonly), poolclass=NullPool, hide_parameters=True
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _open(path: Path, *, readonly: bool) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode={'ro' if readonly else 'rw'}"
    connection = sqlite3.connect(
        address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA trusted_schema=OFF")
        if not readonly:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA journal_size_limit=67108864")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


COPIES = 50
"""How often a copy of an exclusively locked file is restarted because it was written meanwhile."""

HEADER = b"SQLite format 3\0"


def is_database(path: Path) -> bool:
    """Return whether a file is a database of this kind."""
    with path.open("rb") as file:
        return file.read(len(HEADER)) == HEADER


def copy(source: Path, target: Path) -> None:
    """Copy a consistent state of a database while others write it. The copy is one file without a log.

    Raise ``DRIVER_ERROR`` or `OSError` if that fails.
    """
    try:
        with closing(_open(source, readonly=True)) as reading, closing(sqlite3.connect(target)) as writing:
            reading.execute("PRAGMA busy_timeout=0")
            reading.backup(writing, progress=_refuse_busy)
    except BlockingIOError:
        _copy_files(source, target)
    with closing(sqlite3.connect(target, isolation_level=None)) as copied:
        copied.execute("PRAGMA journal_mode=DELETE")  # moves the log's content into the file


def _refuse_busy(status: int, remaining: int, total: int) -> None:
    """Abort a copy that would otherwise wait forever: another program may lock the file as long as it runs."""
    del remaining, total
    if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        raise BlockingIOError


def _copy_files(source: Path, target: Path) -> None:
    """Copy a database that one program has locked exclusively: file and log, in a state where neither changed."""
    names = [
        ("", source),
        *((suffix, source.with_name(source.name + suffix)) for suffix in ("-wal", "-journal")),
    ]
    for _ in range(COPIES):
        target.unlink(missing_ok=True)
        before = [_state_of(path) for _, path in names]
        for suffix, path in names:
            copied = target.with_name(target.name + suffix)
            copied.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.copyfile(path, copied)
        if before == [_state_of(path) for _, path in names]:
            return
    raise Unable("the file is written constantly by a program that lets no other read it: close that program")


def _state_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size


def find_damage(path: Path) -> str:
    """Check every page; return what is wrong, "" if nothing is."""
    try:
        with closing(_open(path, readonly=True)) as connection:
            found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        return str(error)
    return "" if found == "ok" else found


def check_pages(connection: Connection, path: Path) -> None:
    """Check every page of a file unless it is too large. Raise `JournalError` if it is damaged."""
    if path.stat().st_size <= CHECK_UP_TO:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise JournalError(f"journal {path}: {found} ({DAMAGED})")


def upsert(
    table: Table, *, key: Sequence[str], changes: Sequence[str], where: ColumnElement[bool] | None = None
) -> Insert:
    """Return a statement that inserts a row, or updates ``changes`` if the key exists (and ``where`` is true)."""
    statement = insert(table)
    values = {name: statement.excluded[name] for name in changes}
    return statement.on_conflict_do_update(index_elements=key, set_=values, where=where)


def insert_new(table: Table, *, key: Sequence[str]) -> Insert:
    """Return a statement that inserts a row unless its key exists."""
    return insert(table).on_conflict_do_nothing(index_elements=key)


_SEVERAL = re.compile(r"(INSERT .* VALUES )(\([?, ]+\))([^?]*)", re.DOTALL)
_SEVERAL_UPDATES = re.compile(r"UPDATE (\w+) SET ((?:\w+=\?(?:, )?)+) WHERE (\S+) = \?")
_UPDATES_TOGETHER = sqlite3.sqlite_version_info >= (3, 33)
"""Whether this SQLite knows UPDATE … FROM; with an older one each row is a statement."""
_MOST_ROWS = 64
"""Rows of one statement: with 15 columns below the 999 parameters that every SQLite accepts."""


def _sizes(rows: int) -> Iterator[int]:
    """Split a number of rows into powers of two: SQLite caches compiled statements, so there should be few texts."""
    while rows:
        size = min(_MOST_ROWS, 1 << (rows.bit_length() - 1))
        yield size
        rows -= size


class Prepared:
    """A statement compiled once, for rows that all have the columns of ``example``.

    Inserts and simple updates combine many rows in one statement: each execution releases the interpreter lock, and
    getting it back from a busy event loop costs more than the row.

    Every alert passes here. Compared with executing each row through SQLAlchemy this halves the cost of a commit and
    saves a third of the cost of a row.
    """

    def __init__(self, sql: UpdateBase, connection: Connection, example: Mapping[str, Any]) -> None:
        compiled = sql.compile(dialect=connection.dialect, column_keys=list(example))
        assert isinstance(compiled, SQLCompiler)
        names = compiled.positiontup or []
        types = [compiled.binds[name].type.dialect_impl(connection.dialect) for name in names]
        encoders = [found.bind_processor(connection.dialect) for found in types]
        self._text = compiled.string
        self._several = self._repeatable(sql)
        self._constants = {name: value for name, value in compiled.params.items() if name not in example}
        self._values = itemgetter(*names)
        self._encoders = [(index, encode) for index, encode in enumerate(encoders) if encode is not None]

    def execute(self, cursor: sqlite3.Cursor, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute the statement for every row; return the number of table rows that changed."""
        parameters = [self._parameters(row) for row in rows]
        if self._several is None:
            return cursor.executemany(self._text, parameters).rowcount
        changed = 0
        for size in _sizes(len(parameters)):
            flat = tuple(chain.from_iterable(parameters[:size]))
            text = self._text if size == 1 else self._several(size)
            changed += cursor.execute(text, flat).rowcount
            del parameters[:size]
        return changed

    def _repeatable(self, sql: UpdateBase) -> Callable[[int], str] | None:
        """Return a function that makes the text for a number of rows; None if each needs its own statement."""
        if isinstance(sql, Insert) and (found := _SEVERAL.fullmatch(self._text)):
            head, values, tail = found.groups()
            return lambda rows: head + ", ".join([values] * rows) + tail
        if _UPDATES_TOGETHER and (found := _SEVERAL_UPDATES.fullmatch(self._text)):
            return partial(_updates, found)
        return None

    def _parameters(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        values = list(self._values({**self._constants, **row} if self._constants else row))
        for index, encode in self._encoders:
            values[index] = encode(values[index])
        return tuple(values)


def _updates(one: re.Match[str], rows: int) -> str:
    """Return the text that updates so many rows. The rows' keys differ, or only the first of equal ones counts."""
    table, changes, key = one.groups()
    names = [change.partition("=")[0] for change in changes.split(", ")]
    new = ", ".join(f"{name}=new.column{number}" for number, name in enumerate(names, 1))
    values = ", ".join([f"({', '.join('?' * (len(names) + 1))})"] * rows)
    where = f"{key} = new.column{len(names) + 1}"
    return f"UPDATE {table} SET {new} FROM (VALUES {values}) AS new WHERE {where}"  # noqa: S608 - all names are ours


@contextmanager
def transaction(connection: Connection) -> Iterator[sqlite3.Cursor]:
    """Commit everything executed within this block durably, or nothing.

    Raise ``DRIVER_ERROR`` if nothing was stored, `CommitUnanswered` if that is not known. Uses the driver directly:
    SQLAlchemy's share of a commit of a few rows was as large as everything else together.
    """
    driver = _driver(connection)
    if driver.in_transaction:  # an earlier rollback failed
        driver.rollback()
    cursor = driver.cursor()
    try:
        cursor.execute("BEGIN IMMEDIATE")
        yield cursor
        try:
            cursor.execute("COMMIT")
        except sqlite3.Error as error:
            if not is_full(error):
                raise CommitUnanswered(error) from error
            # A frame that did not fit is incomplete: SQLite never counts this commit as done, even after a crash.
            raise
    except BaseException:
        with suppress(sqlite3.Error):
            driver.rollback()
        raise
    finally:
        cursor.close()


def _driver(connection: Connection) -> sqlite3.Connection:
    return connection.connection.dbapi_connection  # type: ignore[return-value]  # it is SQLite's


def read_number(cursor: sqlite3.Cursor) -> int:
    """Return the number of the last commit."""
    return int(cursor.execute("SELECT value FROM meta WHERE key = 'writer_sequence'").fetchone()[0])


def write_number(cursor: sqlite3.Cursor, *, after: int, number: int) -> None:
    """Write the number of this commit. Raise ``Unable`` if the last commit does not have the number ``after``."""
    text = "UPDATE meta SET value = ? WHERE key = 'writer_sequence' AND value = ?"
    if cursor.execute(text, (str(number), str(after))).rowcount != 1:
        raise Unable("another program has written to the journal: stop that program, then restart the engine")


def recycle_log(connection: Connection) -> bool:
    """Copy the log's pages into the file, so that the log is reused from its start and needs no more space.

    Return False if there is no space for that.
    """
    try:
        _driver(connection).execute("PRAGMA wal_checkpoint(PASSIVE)")
    except sqlite3.Error as error:
        return not is_full(error)
    return True


def is_full(error: Exception) -> bool:
    """Return whether there was no space: on the disk, or in this user's quota."""
    return getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"


def blames_entry(error: Exception) -> bool:
    """Return whether an entry was unfit, rather than the database unable; the others may be retried without it."""
    unable = sqlite3.OperationalError | sqlite3.InternalError
    return not isinstance(error, unable) and type(error) is not sqlite3.DatabaseError


def explained(path: Path, error: Exception, kind: type[JournalError] = JournalError) -> JournalError:
    """Return an error that states what failed and what to do. It never contains values: they might be secret."""
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    name = getattr(cause, "sqlite_errorname", "") or errno.errorcode.get(getattr(cause, "errno", 0), "")
    remedy = next((f" ({remedy})" for kind, remedy in _REMEDIES.items() if name.startswith(kind)), "")
    return kind(f"journal {path}: {cause}{remedy}")
