"""The schema has a version from the start: older journals are upgraded, later ones refused."""

from __future__ import annotations

import importlib.util
import shutil
import sqlite3
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from te_core import __version__
from te_core.errors import JournalError, JournalTooNew
from te_core.journal import database, reader, retention, schema, statements, tables
from te_core.journal.journal import Journal
from tests.journal.journal_samples import FIFTH_UNDONE, event, fill, full_signal, open_journal, signal, target


def change(folder: Path, sql: str) -> None:
    connection = sqlite3.connect(folder / "journal.sqlite3")
    connection.execute(sql)
    connection.commit()
    connection.close()


async def test_the_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    open_journal(tmp_path).close()
    with database.connect(tmp_path / "journal.sqlite3", readonly=True).begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_every_migration_script_is_a_known_revision() -> None:
    config = Config()
    config.set_main_option("script_location", schema.SCRIPTS)
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == schema.REVISIONS


async def test_a_later_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(event())
    journal.close()
    change(tmp_path, "UPDATE alembic_version SET version_num = '0099'")
    change(tmp_path, "UPDATE meta SET value = '7.1.0' WHERE key = 'written_by'")
    content = (tmp_path / "journal.sqlite3").read_bytes()
    wanted = rf"te-core 7\.1\.0 with schema 0099; this is te-core {__version__}.*upgrade te-core"
    with pytest.raises(JournalTooNew, match=wanted):
        open_journal(tmp_path)
    with pytest.raises(JournalTooNew, match=wanted):
        Journal.open_readonly(tmp_path / "journal.sqlite3")
    assert (tmp_path / "journal.sqlite3").read_bytes() == content


async def test_a_signal_of_before_exits_states_none(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(signal())
    journal.close()
    change(tmp_path, "ALTER TABLE signals DROP COLUMN exits")
    change(tmp_path, "ALTER TABLE confirmations DROP COLUMN step")
    change(tmp_path, "DROP TABLE controls")
    for step in FIFTH_UNDONE:
        change(tmp_path, step)
    change(tmp_path, "UPDATE alembic_version SET version_num = '0002'")
    journal = open_journal(tmp_path)
    assert journal.snapshot().signals == (signal(),)
    await journal.append(full_signal())
    journal.close()
    assert full_signal() in open_journal(tmp_path).snapshot().signals


async def test_an_earlier_account_of_a_paper_plugin_has_paper_money(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for plugin in ("paper", "bybit"):
        await journal.identify(name=plugin, plugin=plugin, host="h", uid="1", paper=True, currency="USDT")
    await journal.append(fill())
    journal.close()
    change(tmp_path, "DROP TABLE tallies")
    change(tmp_path, "ALTER TABLE fills DROP COLUMN gained")
    change(tmp_path, "ALTER TABLE accounts DROP COLUMN paper")
    change(tmp_path, "ALTER TABLE accounts DROP COLUMN currency")
    change(tmp_path, "UPDATE alembic_version SET version_num = '0006'")
    journal = open_journal(tmp_path)
    assert [(one.name, one.paper, one.currency) for one in journal.accounts()] == [
        ("bybit", False, ""),
        ("paper", True, ""),
    ]
    assert list(journal.fills(9)) == [fill()]
    assert list(journal.tallies("paper")) == []
    journal.close()


@pytest.fixture
def next_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the code of a version with one more migration; return the migration's file."""
    scripts = tmp_path / "migrations"
    shutil.copytree(Path(str(files("te_core.journal"))) / "migrations", scripts)
    monkeypatch.setattr(schema, "SCRIPTS", str(scripts))
    monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "0099"))
    return scripts / "versions" / "next.py"


PRESENT = schema.REVISIONS
NEXT = f"""
from alembic import op
revision = "0099"
down_revision = "{PRESENT[-1]}"
def upgrade():
    op.execute("CREATE TABLE extra (x INTEGER)")
    op.execute("{{}}")
"""


async def test_an_older_journal_is_upgraded_with_everything_in_it(
    tmp_path: Path, next_schema: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "REVISIONS", PRESENT)
        journal = open_journal(tmp_path)
        await journal.append(signal(), target())
        snapshot = journal.snapshot()
        journal.close()

    next_schema.write_text(NEXT.format("INSERT INTO extra VALUES (1)"))
    with pytest.raises(
        JournalError, match=rf"older schema {PRESENT[-1]}, this version reads 0099: start the engine once"
    ):
        Journal.open_readonly(tmp_path / "journal.sqlite3")
    journal = open_journal(tmp_path)
    assert journal.snapshot() == snapshot
    assert journal.journal_id == "journal-1"
    await journal.append(target(revision=2))
    journal.close()
    Journal.open_readonly(tmp_path / "journal.sqlite3").close()


async def test_an_upgrade_that_fails_leaves_the_older_journal(
    tmp_path: Path, next_schema: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(schema, "REVISIONS", PRESENT)
        open_journal(tmp_path).close()
    next_schema.write_text(NEXT.format("INSERT INTO nowhere VALUES (1)"))
    for _ in range(2):
        with pytest.raises(JournalError, match="nowhere"):
            open_journal(tmp_path)
    connection = sqlite3.connect(tmp_path / "journal.sqlite3")
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(PRESENT[-1],)]
    assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'extra'").fetchall() == []
    connection.close()


async def test_the_version_that_wrote_last_is_noted(tmp_path: Path) -> None:
    open_journal(tmp_path).close()
    change(tmp_path, "UPDATE meta SET value = '0.0.1' WHERE key = 'written_by'")
    open_journal(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "journal.sqlite3")
    assert connection.execute("SELECT value FROM meta WHERE key = 'written_by'").fetchone() == (__version__,)
    connection.close()


def test_a_normal_start_does_not_load_alembic(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.journal.journal_samples import open_journal;"
        f"journal = open_journal(Path({str(tmp_path)!r})); journal.snapshot(); journal.close();"
        "print('alembic' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    answers = [subprocess.check_output([sys.executable, "-c", script], text=True, cwd=root) for _ in range(2)]
    assert answers == ["True\n", "False\n"]


def test_every_statement_is_valid_for_postgresql_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "insert", postgresql.insert)
    spec = importlib.util.find_spec(statements.__name__)
    assert spec is not None
    assert spec.loader is not None
    ported = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ported)
    written = [value.sql for value in vars(ported).values() if isinstance(value, ported.Statement)]
    read = [
        reader.LATEST,
        reader.OPEN_INTENTS,
        reader.TARGETS,
        reader.GOALS,
        reader.CONFIRMATIONS,
        reader.ORDERS,
        reader.ORDERS_SINCE,
        reader.ACCOUNTS,
        reader.LAST_TALLIES,
    ]
    pruned = [rule.delete.sql for rule in retention.RULES]
    made = [CreateTable(table) for table in tables.metadata.sorted_tables]
    indexed = [CreateIndex(index) for table in tables.metadata.sorted_tables for index in table.indexes]
    assert len(written) == 22
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no types there
    compiled = [str(statement.compile(dialect=dialect)) for statement in (*written, *pruned)]
    compiled += [str(statement.compile(dialect=dialect)) for statement in (*read, *made, *indexed)]
    assert sum("ON CONFLICT" in text for text in compiled) == 12
    assert any("WHERE state = 'open'" in text for text in compiled)
