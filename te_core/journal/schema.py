"""Check whether this version may read or write a journal; create new journals and upgrade older ones."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, text, update

from te_core import __version__
from te_core.errors import JournalError, JournalTooNew
from te_core.journal import database
from te_core.journal.tables import meta
from te_core.settings.files import sync_folder

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every schema that this version can upgrade, oldest first; the last one is what it reads and writes."""

SCRIPTS = "te_core.journal:migrations"


def check_file(path: Path, *, writable: bool) -> None:
    """Raise `JournalError` if a file cannot be a journal, or cannot be used, before a database opens it.

    The file is checked without opening it: closing it here would drop the locks that SQLite holds on it in this
    process (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
    """
    wal = path.with_name(path.name + "-wal")
    right = os.R_OK | os.W_OK if writable else os.R_OK
    try:
        if not path.exists():
            problem = "there is no such file: start the engine once (te run), or set TE_HOME or journal.file"
        elif not path.is_file():
            problem = "this is not a file: choose another path in journal.file"
        elif path.stat().st_size == 0:
            problem = f"the file is empty, its content lost: restore a copy, or delete it and {wal.name} to start over"
        elif not os.access(path, right, effective_ids=os.access in os.supports_effective_ids):
            problem = f"permission denied: {database.PERMISSION}"
        else:
            return
    except OSError as error:
        problem = f"{error.strerror}: {database.PERMISSION}"
    raise JournalError(f"journal {path}: {problem}")


def create(path: Path, *, journal_id: str, at: datetime) -> None:
    """Create a new journal. It gets its name only when it is complete, so that an incomplete one is never used.

    Raise `JournalError` if there is a write-ahead log without its journal: its data would be lost.
    """
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        raise JournalError(
            f"journal {path}: the file is gone, but {wal.name} still has data of it: "
            f"put the journal back next to it, or move {wal.name} away to start over"
        )
    half_made = path.with_name(path.name + ".new")
    for leftover in (half_made, half_made.with_name(half_made.name + "-wal")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(half_made, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    engine = database.connect(half_made, readonly=False)
    with engine.begin() as connection:
        _upgrade(connection)
        values = {"journal_id": journal_id, "created_at": at.isoformat(), "written_by": __version__}
        connection.execute(insert(meta), [{"key": key, "value": value} for key, value in values.items()])
    engine.dispose()
    half_made.replace(path)
    sync_folder(path.parent)


def check_content(connection: Connection, path: Path) -> None:
    """Raise `JournalTooNew` for a later schema, `JournalError` for a damaged file or another program's database."""
    database.check_pages(connection, path)
    revision_of(connection, path)


def prepare(connection: Connection, path: Path) -> str:
    """Upgrade an older journal; return its id."""
    if revision_of(connection, path) != REVISIONS[-1]:
        _upgrade(connection)
    known = _meta(connection)
    if known["written_by"] != __version__:
        connection.execute(update(meta).where(meta.c.key == "written_by").values(value=__version__))
    return known["journal_id"]


def check_readable(connection: Connection, path: Path) -> None:
    """Raise `JournalTooNew` for a later schema, `JournalError` for an older one, which is not upgraded by reading."""
    version = revision_of(connection, path)
    if version != REVISIONS[-1]:
        raise JournalError(
            f"journal {path} has the older schema {version}, this version reads {REVISIONS[-1]}: "
            "start the engine once (te run), it upgrades the journal"
        )


def revision_of(connection: Connection, path: Path) -> str:
    """Return a journal's schema. Raise `JournalTooNew` for a later one, `JournalError` if it is not a journal."""
    if not {"alembic_version", "meta", "books"} <= set(inspect(connection).get_table_names()):
        raise JournalError(
            f"journal {path}: this database is not a journal of the trade engine: "
            "choose another path in journal.file, it is left untouched"
        )
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if version not in REVISIONS:
        raise JournalTooNew(
            f"journal {path} was written by te-core {_meta(connection).get('written_by')} with schema {version}; "
            f"this is te-core {__version__}, which knows schema {REVISIONS[-1]} and older: "
            "upgrade te-core, or choose another journal"
        )
    return str(version)


def _meta(connection: Connection) -> dict[str, str]:
    return {row.key: row.value for row in connection.execute(select(meta))}


def _upgrade(connection: Connection) -> None:
    # Importing alembic takes longer than the rest of the start; it is needed once per schema.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", SCRIPTS)
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")
