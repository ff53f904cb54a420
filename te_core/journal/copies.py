"""Copies of the journal: made while it is written, checked before use, and given their own identity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from te_core.errors import JournalError
from te_core.journal import database, schema
from te_core.journal.tables import meta


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFacts:
    """What a journal states about itself."""

    journal_id: str
    """The identity that its orders carry."""
    written_by: str
    revision: str
    commits: int
    """The number of its commits."""


def copy_journal(source: Path, target: Path) -> None:
    """Copy a consistent state of a journal, even while an engine writes it. Raise `JournalError` if that fails."""
    schema.check_file(source, writable=False)
    copy_database(source, target)


def copy_database(source: Path, target: Path) -> None:
    """Copy any database of this kind in the same way. Raise `JournalError` if that fails."""
    try:
        database.copy(source, target)
    except (database.DRIVER_ERROR, OSError) as error:
        raise database.explained(source, error) from error


def read_facts(path: Path) -> CopyFacts:
    """Return the facts of a journal of any schema that this version knows.

    Raise `JournalTooNew` for a later schema, `JournalError` if the file cannot be read.
    """
    schema.check_file(path, writable=False)
    engine = database.connect(path, readonly=True)
    try:
        with engine.begin() as connection:
            revision = schema.revision_of(connection, path)
            values = {row.key: row.value for row in connection.execute(select(meta))}
    except SQLAlchemyError as error:
        raise database.explained(path, error) from error
    finally:
        engine.dispose()
    return CopyFacts(
        journal_id=values["journal_id"],
        written_by=values.get("written_by", ""),
        revision=revision,
        commits=int(values.get("writer_sequence", 0)),
    )


def check_copy(path: Path) -> CopyFacts:
    """Check every page of a copy and return its facts. Raise `JournalTooNew` or `JournalError` if it is unusable."""
    if damage := database.find_damage(path):
        raise JournalError(f"journal {path}: {damage} ({database.DAMAGED})")
    return read_facts(path)


def set_identity(path: Path, journal_id: str) -> None:
    """Assign a copy its own identity, so that its order ids never match those that the original sent."""
    engine = database.connect(path, readonly=False)
    try:
        with engine.begin() as connection:
            connection.execute(update(meta).where(meta.c.key == "journal_id").values(value=journal_id))
    except SQLAlchemyError as error:
        raise database.explained(path, error) from error
    finally:
        engine.dispose()
