"""A commit without a response has a definite outcome: stored or not, never "failed, so it was not stored"."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection

from te_core.errors import EntryRefused, JournalError
from te_core.journal import committer, database
from te_core.journal.journal import PROBE
from tests.journal.journal_samples import event, intent, open_journal, signal, target, written

LOST = sqlite3.OperationalError("disk I/O error")


class Disk:
    """Commits or does not, and fails to answer either way. ``works``: whether it answers."""

    def __init__(self) -> None:
        self.works = True
        self.keeps = True
        self.answers_after = 0
        self._real = database.transaction

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[sqlite3.Cursor]:
        answered = self.works or self.answers_after < 0
        self.answers_after -= 1
        if answered:
            with self._real(connection) as cursor:
                yield cursor
            return
        try:
            with self._real(connection) as cursor:
                yield cursor
                if not self.keeps:
                    raise database.CommitUnanswered(LOST)
        except BaseException as error:
            raise error from None
        raise database.CommitUnanswered(LOST)

    def fail(self, *, keeps: bool, times: int) -> None:
        """Leave that many commits unanswered from now on."""
        self.works, self.keeps, self.answers_after = False, keeps, times - 1


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    found = Disk()
    monkeypatch.setattr(committer, "transaction", found.transaction)
    return found


def number(folder: Path) -> int:
    connection = sqlite3.connect(folder / "journal.sqlite3")
    (found,) = connection.execute("SELECT value FROM meta WHERE key = 'writer_sequence'").fetchone()
    connection.close()
    return int(found)


async def test_every_commit_has_the_next_number_also_after_a_restart(tmp_path: Path) -> None:
    for first in (0, 5):
        journal = open_journal(tmp_path)
        assert number(tmp_path) == first
        for count in range(5):
            await journal.append(event(), event())
            assert number(tmp_path) == first + count + 1
        journal.close()


async def test_numbering_costs_one_statement_per_commit(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    with written(journal) as executed:
        await asyncio.gather(*(journal.append(event()) for _ in range(50)))
    assert sum("writer_sequence" in statement for statement in executed) == 1
    journal.close()


async def test_what_a_failed_commit_stored_is_reported_as_stored(tmp_path: Path, disk: Disk) -> None:
    journal = open_journal(tmp_path)
    disk.fail(keeps=True, times=1)
    await journal.append(target(), intent("o1"))
    assert [record.intent for record in journal.intents(9)] == [intent("o1")]
    assert journal.problem() == ""
    await journal.append(event("after"))
    journal.close()


async def test_what_was_not_stored_is_reported_with_the_reason(tmp_path: Path, disk: Disk) -> None:
    journal = open_journal(tmp_path)
    disk.fail(keeps=False, times=1)
    with pytest.raises(JournalError, match="disk I/O error") as failure:
        await journal.append(target(), intent("o1"))
    assert "not known" not in str(failure.value)
    assert journal.intents(9) == []
    await journal.append(target(), intent("o1"))
    assert len(journal.intents(9)) == 1
    journal.close()


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("times", range(2, 6))
async def test_an_append_waits_until_its_outcome_is_known(
    tmp_path: Path, disk: Disk, keeps: bool, times: int
) -> None:
    """Even if the commits that check it are not answered, and may have been stored themselves."""
    journal = open_journal(tmp_path)
    disk.fail(keeps=keeps, times=times)
    waiting = journal.append(target(), intent("o1"))
    await asyncio.sleep(0)
    for _ in range(times - 2):  # each append checks again; the first check was the failed commit's own
        assert not waiting.done()
        assert "it is not known yet whether the last entries were stored" in journal.problem()
        with pytest.raises(JournalError, match="nothing else is written"):
            await journal.append(event("never"))
    assert not waiting.done()
    await journal.append(event("after"))
    assert waiting.done()
    assert (waiting.exception() is None) == keeps
    assert len(journal.intents(9)) == keeps
    assert [read.text for read in journal.events(9)] == ["after"]
    journal.close()
    again = open_journal(tmp_path)
    assert len(again.intents(9)) == keeps
    again.close()


@pytest.mark.parametrize("keeps", [True, False])
async def test_an_idle_journal_finds_the_outcome_by_itself(tmp_path: Path, disk: Disk, keeps: bool) -> None:
    journal = open_journal(tmp_path)
    disk.fail(keeps=keeps, times=4)
    waiting = journal.append(signal())
    await asyncio.sleep(PROBE - 1)
    assert not waiting.done()
    await asyncio.sleep(3 * PROBE)
    assert (waiting.exception() is None) == keeps == bool(journal.signals(9))
    assert journal.problem() == ""
    journal.close()


async def test_nothing_of_a_split_batch_follows_a_part_in_doubt(tmp_path: Path, disk: Disk) -> None:
    journal = open_journal(tmp_path)
    await journal.append(intent("used"))
    # The first attempt fails on the unfit entry; then the first half is committed, without a response.
    disk.fail(keeps=True, times=3)
    first, unfit, last = (journal.append(entry) for entry in (event("first"), intent("used"), event("last")))
    outcomes = asyncio.gather(first, unfit, last, return_exceptions=True)
    await asyncio.sleep(3 * PROBE)
    kept, refused, later = await outcomes
    assert kept is None
    assert isinstance(refused, JournalError)
    assert isinstance(later, JournalError)
    assert [read.text for read in journal.events(9)] == ["first"]
    journal.close()


@pytest.mark.real_clock
@pytest.mark.parametrize("inline", [True, False])
async def test_closing_ends_the_wait_for_what_is_in_doubt(tmp_path: Path, disk: Disk, inline: bool) -> None:
    journal = open_journal(tmp_path, inline=inline)
    disk.fail(keeps=True, times=100)
    waiting = journal.append(event("in doubt"))
    journal.close()
    with pytest.raises(JournalError, match="it is not known yet whether the last entries were stored"):
        await waiting
    disk.works = True
    again = open_journal(tmp_path)
    assert [read.text for read in again.events(9)] == ["in doubt"]
    again.close()


async def test_writing_past_the_lock_is_noticed_before_a_write(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path)
    await journal.append(event("before"))
    other = sqlite3.connect(tmp_path / "journal.sqlite3")
    other.execute("UPDATE meta SET value = '900' WHERE key = 'writer_sequence'")
    other.commit()
    other.close()
    for _ in range(2):
        with pytest.raises(JournalError, match="another program has written to the journal") as failure:
            await journal.append(event("a"), event("b"))
        assert not isinstance(failure.value, EntryRefused)
    assert "another program" in journal.problem()
    assert [read.text for read in journal.events(9)] == ["before"]
    journal.close()


async def test_a_transaction_left_open_is_ended_before_the_next(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal._committer.connection.connection.cursor().execute("BEGIN IMMEDIATE")
    await journal.append(event("after"))
    assert [read.text for read in journal.events(9)] == ["after"]
    journal.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.real_clock
async def test_a_writer_that_has_stopped_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_journal(tmp_path, inline=False)

    def broken(_writes: object) -> None:
        raise AssertionError("defect")

    monkeypatch.setattr(journal._committer, "_execute", broken)
    for _ in range(2):
        with pytest.raises(JournalError, match="which then knows which of the last entries were stored"):
            await journal.append(event())
        assert "has stopped" in journal.problem()
    journal.close()
