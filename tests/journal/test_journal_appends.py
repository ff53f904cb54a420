"""Appending is durable when told, all or nothing, and goes on after a full disk, a lock or a defect."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from te_core.errors import JournalError
from te_core.journal import database
from te_core.journal.committer import Work
from te_core.journal.journal import Journal
from te_core.journal.writer import ThreadWriter
from tests.journal.journal_samples import event, intent, open_journal, signal, target, written


async def test_all_entries_of_an_append_are_stored_or_none(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(intent("o1"))
    with pytest.raises(JournalError, match="o1: an intent with this client order id is already recorded"):
        await journal.append(target(), event(), intent("o1"))
    assert journal.events(9) == []
    assert journal.snapshot().books == {}
    journal.close()


@pytest.mark.real_clock
async def test_a_full_disk_fails_the_append_and_the_journal_goes_on(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    await journal.append(event("before"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "journal.sqlite3").stat().st_size, hard))
    try:
        outcomes = await asyncio.gather(
            *(journal.append(event("x" * 200_000)) for _ in range(3)), return_exceptions=True
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [type(outcome) for outcome in outcomes] == [JournalError] * 3
    assert "disk" in str(outcomes[0])
    await journal.append(event("after"))
    assert [read.text for read in journal.events(9)] == ["after", "before"]
    journal.close()


@contextmanager
def full(journal: Journal) -> Iterator[None]:
    """Keep the file from growing within the block."""
    connection = journal._committer.connection
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    connection.rollback()
    yield
    connection.exec_driver_sql("PRAGMA max_page_count=1000000000")
    connection.rollback()


async def test_hours_on_a_full_disk_cost_one_attempt_per_append(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path)
    long = "x" * 20_000
    attempts, grown = 0, [0]
    with full(journal), written(journal) as executed:
        tracemalloc.start()
        for number in range(1200):
            with pytest.raises(JournalError, match="free disk space"):
                await journal.append(signal(delivery_id=f"{number}", detail={"text": long}))
            journal.append(event(long), awaited=False)
            await asyncio.sleep(6)
            if number % 400 == 399:
                attempts = sum(statement.startswith("BEGIN") for statement in executed)
                executed.clear()
                grown.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert attempts <= 2 * 400
    assert grown[-1] - grown[-2] < 100_000, "400 alerts and as many events of 20 kB each"
    await journal.append(signal(delivery_id="after"))
    assert [read.delivery_id for read in journal.signals(9)] == ["after"]
    journal.close()


@pytest.mark.real_clock
async def test_a_locked_file_fails_an_append_and_not_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    journal = open_journal(tmp_path, inline=False)
    other = sqlite3.connect(tmp_path / "journal.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        with pytest.raises(JournalError, match="another program holds the file: close it"):
            await journal.append(event("held up"))
    other.close()
    await journal.append(event("after"))
    assert [read.text for read in journal.events(9)] == ["after"]
    journal.close()


async def test_every_commit_reaches_the_disk(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    connection = journal._committer.connection
    with connection.begin():
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2, "2 is FULL"
    journal.close()


@pytest.mark.real_clock
async def test_closing_persists_what_was_appended_and_refuses_more(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    waiting = [journal.append(event(f"line {n}")) for n in range(100)]
    journal.close()
    journal.close()
    await asyncio.gather(*waiting)
    with pytest.raises(JournalError, match="closed"):
        await journal.append(event("late"))
    again = open_journal(tmp_path)
    assert len(again.events(999)) == 100
    again.close()


async def test_closing_inline_persists_what_the_same_tick_appended(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    done = journal.append(event("last words"))
    journal.close()
    assert done.done()
    assert done.exception() is None
    again = open_journal(tmp_path)
    assert [read.text for read in again.events(9)] == ["last words"]
    again.close()


@pytest.mark.real_clock
async def test_a_cancelled_wait_does_not_withdraw_the_entry(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    given_up = journal.append(event("given up"))
    given_up.cancel()
    await journal.append(event("next"))
    assert [read.text for read in journal.events(9)] == ["next", "given up"]
    journal.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.real_clock
async def test_a_defect_in_the_writer_leaves_nobody_waiting() -> None:
    def broken(_batch: object) -> Any:
        raise AssertionError("defect")

    writer = ThreadWriter(broken)
    for _ in range(3):
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        writer.submit([Work((), done)])
        with pytest.raises(JournalError, match="restart the engine"):
            await done
    writer.close()


async def test_an_append_that_is_not_awaited_becomes_durable_too(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(event("alone"), awaited=False)
    assert [read.text for read in journal.events(9)] == ["alone"]
    journal.close()


@pytest.mark.real_clock
async def test_closing_persists_what_was_not_awaited(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, inline=False)
    journal.append(event("just before"), awaited=False)
    journal.close()
    journal = open_journal(tmp_path)
    assert [read.text for read in journal.events(9)] == ["just before"]
    journal.close()


async def test_an_append_that_is_not_awaited_may_fail_without_harm(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append(event("never"), intent("o1"), intent("o1"), awaited=False)
    await journal.append(event("next"))
    assert [read.text for read in journal.events(9)] == ["next"]
    journal.close()
