"""The journal, its lock or their folder is moved, deleted or replaced while the engine runs."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from te_core.errors import JournalError
from te_core.journal.journal import PROBE, Journal
from tests.journal.journal_samples import event, open_journal, signal

Put = Callable[[], object]
NAME = "journal.sqlite3"


def moved(state: Path) -> Put:
    away = state.with_name("state.moved")
    state.rename(away)
    return lambda: away.rename(state)


def folder_replaced(state: Path) -> Put:
    back = moved(state)
    state.mkdir()

    def put_back() -> None:
        state.rmdir()
        back()

    return put_back


def file_moved(name: str) -> Callable[[Path], Put]:
    def move(state: Path) -> Put:
        (state / name).rename(state / "aside")
        return lambda: (state / "aside").rename(state / name)

    return move


def file_replaced(name: str) -> Callable[[Path], Put]:
    def replace(state: Path) -> Put:
        (state / name).rename(state / "aside")
        shutil.copy(state / "aside", state / name)
        return lambda: (state / "aside").rename(state / name)

    return replace


AWAY = {
    "folder moved": moved,
    "folder replaced": folder_replaced,
    "journal moved": file_moved(NAME),
    "journal replaced by a copy": file_replaced(NAME),
    "log moved": file_moved(f"{NAME}-wal"),
    "shared memory moved": file_moved(f"{NAME}-shm"),
    "lock moved": file_moved(f"{NAME}.lock"),
    "lock replaced": file_replaced(f"{NAME}.lock"),
}


@pytest.mark.parametrize("take_away", AWAY.values(), ids=AWAY.keys())
async def test_nothing_is_written_while_the_journal_file_is_away(
    tmp_path: Path, take_away: Callable[[Path], Put]
) -> None:
    state = tmp_path / "state"
    journal = open_journal(state)
    await journal.append(event("before"))
    assert journal.holds_lock()
    put_back = take_away(state)
    assert not journal.holds_lock()
    for _ in range(2):
        with pytest.raises(
            JournalError, match=r"journal\.sqlite3.* while the engine is running: nothing is recorded"
        ):
            await journal.append(signal())
    with pytest.raises(JournalError, match="put back what was moved or deleted, or restart"):
        await journal.append()
    put_back()
    assert journal.holds_lock()
    await journal.append(event("after"))
    assert [read.text for read in journal.events(9)] == ["after", "before"]
    assert journal.signals(9) == []
    journal.close()


async def test_deleted_files_are_noticed_by_the_next_append(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "state")
    await journal.append(event("before"))
    shutil.rmtree(tmp_path / "state")
    assert not journal.holds_lock()
    with pytest.raises(JournalError, match="is gone"):
        await journal.append(signal())
    journal.close()


@pytest.mark.real_clock
async def test_the_writer_s_thread_notices_too(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "state", inline=False)
    await journal.append(event("before"))
    put_back = moved(tmp_path / "state")
    with pytest.raises(JournalError, match="put back"):
        await journal.append(event("never"))
    put_back()
    await journal.append(event("after"))
    assert [read.text for read in journal.events(9)] == ["after", "before"]
    journal.close()


async def test_an_engine_whose_folder_was_moved_spares_its_successor(
    tmp_path: Path,
) -> None:
    """SQLite removes a journal's log by its path when the last connection closes: it must not remove the other
    one's."""
    first = open_journal(tmp_path / "state")
    await first.append(event("of the first"))
    moved(tmp_path / "state")
    second = open_journal(tmp_path / "state")
    await second.append(event("of the second"))
    assert (first.holds_lock(), second.holds_lock()) == (False, True)
    first.close()
    assert second.holds_lock()
    await second.append(event("later"))
    reader = Journal.open_readonly(second.path)
    assert [read.text for read in reader.events(9)] == ["later", "of the second"]
    reader.close()
    second.close()
    again = open_journal(tmp_path / "state.moved")
    assert [read.text for read in again.events(9)] == ["of the first"]
    again.close()


async def test_a_closed_journal_holds_no_lock(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.close()
    assert not journal.holds_lock()


async def test_a_problem_follows_from_state_and_both_ends_are_reported(
    tmp_path: Path,
) -> None:
    received: list[str] = []
    journal = open_journal(tmp_path / "state", on_problem=received.append)
    await journal.append(event())
    assert (journal.problem(), received) == ("", [])
    put_back = moved(tmp_path / "state")
    assert "is gone" in journal.problem(), "also before anything is appended"
    for _ in range(3):
        with pytest.raises(JournalError):
            await journal.append(event())
    await asyncio.sleep(0)
    assert len(received) == 1
    assert "is gone" in received[0]
    put_back()
    await journal.append(event())
    await asyncio.sleep(0)
    assert journal.problem() == ""
    assert received[1:] == [""]
    journal.close()


async def test_a_recovery_is_noticed_without_an_append(tmp_path: Path) -> None:
    received: list[str] = []
    journal = open_journal(tmp_path / "state", on_problem=received.append)
    put_back = moved(tmp_path / "state")
    with pytest.raises(JournalError):
        await journal.append(event())
    await asyncio.sleep(3 * PROBE)
    assert len(received) == 1
    put_back()
    await asyncio.sleep(2 * PROBE)
    assert received[1:] == [""]
    assert journal.problem() == ""
    journal.close()


async def test_an_entry_that_is_unfit_is_not_a_problem_of_the_journal(tmp_path: Path) -> None:
    received: list[str] = []
    journal = open_journal(tmp_path, on_problem=received.append)
    with pytest.raises(JournalError):
        await journal.append(object())  # type: ignore[arg-type]  # on purpose
    await asyncio.sleep(0)
    assert (journal.problem(), received) == ("", [])
    journal.close()
