"""On a full disk positions can still be reduced: their orders are journaled in reserved space."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.clock import SystemClock
from te_core.errors import JournalError
from te_core.journal import reserve
from te_core.journal.entries import Entry, reduces
from te_core.journal.journal import Journal
from te_core.journal.reserve import RESTORE_EVERY, SIZE, SLICE, Reserve
from te_core.model.order import IntentState
from te_core.testing.virtual_clock import VirtualClock
from tests.journal.journal_samples import (
    confirmation,
    event,
    goal,
    intent,
    open_journal,
    order_outcome,
    quarantined,
    signal,
    target,
)

ROOT = Path(__file__).parents[2]
MEGABYTE = 1024 * 1024
FLAT = Decimal(0)
REDUCING: list[Entry] = [
    signal(depth="0"),
    target(depth=FLAT),
    goal(quantity=FLAT),
    intent("close", reduce_only=True),
    order_outcome("close"),
    order_outcome("close", IntentState.UNSENT),
    confirmation(),
]
OTHERS: list[Entry] = [signal(), target(), goal(), intent("open"), event(), quarantined()]


class Disk:
    """A file system that another program fills or frees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def free(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)

    def empty(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A real file system of 16 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here: this takes root and a kernel that allows it")
    yield Disk(folder)
    subprocess.run(["umount", "-l", str(folder)], check=True)


def open_here(disk: Disk, **options: Any) -> Journal:
    return open_journal(disk.folder / "state", **options)


async def reduce(journal: Journal, orders: int, *, first: int = 0) -> int:
    """Append reducing orders with their outcomes; return how many were stored."""
    for number in range(first, first + orders):
        try:
            await journal.append(intent(f"o{number}", step=number, reduce_only=True))
            await journal.append(order_outcome(f"o{number}"), confirmation())
        except JournalError:
            return number - first
    return orders


@pytest.mark.real_clock
@pytest.mark.parametrize("inline", [True, False])
async def test_reductions_go_on_when_nothing_else_is_recorded(disk: Disk, inline: bool) -> None:
    journal = open_here(disk, inline=inline)
    await journal.append(*(signal(symbol=f"S{n}", detail={"text": "x" * 2000}) for n in range(300)))
    disk.fill()
    for _ in range(2000):  # the log may have spare room
        with suppress(JournalError):
            await journal.append(signal())
    with pytest.raises(JournalError, match="free disk space"):
        await journal.append(signal())
    assert await reduce(journal, 1000) == 1000
    with pytest.raises(JournalError, match="the disk is full: only what reduces positions is recorded"):
        await journal.append(signal())
    assert "the disk is full" in journal.problem()
    assert journal.holds_lock()
    journal.close()
    reader = Journal.open_readonly(journal.path)
    assert len(reader.intents(9999)) == 1000
    assert all(record.state is IntentState.FILLED for record in reader.intents(9999))
    reader.close()


@pytest.mark.real_clock
async def test_free_space_has_everything_recorded_and_reserved_again(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reserve, "RESTORE_EVERY", 0.0)
    received: list[str] = []
    journal = open_here(disk, on_problem=received.append)
    await journal.append(event("before"))
    disk.fill()
    await reduce(journal, 500)
    with pytest.raises(JournalError):
        await journal.append(event("never"))
    held = (disk.folder / "state" / "journal.sqlite3.reserve").stat().st_size
    assert held < SIZE
    disk.empty()
    await journal.append(event("after"))
    await asyncio.sleep(0)
    assert journal.problem() == ""
    assert (disk.folder / "state" / "journal.sqlite3.reserve").stat().st_size == SIZE
    assert [bool(text) for text in received] == [True, False], "told once at the start, once at the end"
    assert [read.text for read in journal.events(9)] == ["after", "before"]
    journal.close()


@pytest.mark.real_clock
async def test_losing_released_space_to_another_program_is_an_error(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = open_here(disk)
    real = Reserve.release

    def release_and_lose(held: Reserve) -> bool:
        released = real(held)
        disk.fill()
        return released

    monkeypatch.setattr(Reserve, "release", release_and_lose)
    disk.fill()
    kept = await reduce(journal, 5000)
    assert kept < 5000
    with pytest.raises(JournalError, match="free disk space"):
        await journal.append(intent("last", reduce_only=True))
    journal.close()


@pytest.mark.real_clock
async def test_an_engine_that_starts_on_a_full_disk_still_reduces(disk: Disk) -> None:
    journal = open_here(disk)
    await journal.append(target())
    journal.close()
    disk.fill()
    command = [sys.executable, "-m", "tests.journal.full_disk_process", str(disk.folder / "state")]
    for cycle in range(3):
        result = subprocess.run(
            [*command, str(cycle * 20), "20"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        told = result.stdout.splitlines()
        assert told == [str(number) for number in range(cycle * 20, cycle * 20 + 20)], result.stderr
        disk.fill()
    journal = open_here(disk)
    assert len(journal.intents(999)) == 60
    assert "the disk is full" in journal.problem()
    journal.close()


def test_the_reserve_occupies_its_space_for_its_owner_only(tmp_path: Path) -> None:
    open_journal(tmp_path).close()
    found = (tmp_path / "journal.sqlite3.reserve").stat()
    assert (found.st_size, stat.S_IMODE(found.st_mode)) == (SIZE, 0o600)
    assert found.st_blocks * 512 >= SIZE


def test_a_reserve_copied_without_its_space_is_recreated(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite3.reserve"
    file.touch()
    os.truncate(file, SIZE)
    assert file.stat().st_blocks * 512 < SIZE
    Reserve(tmp_path / "journal.sqlite3", SystemClock())
    assert file.stat().st_blocks * 512 >= SIZE


def test_without_permission_there_is_no_reserve_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "denied")

    monkeypatch.setattr(reserve, "_occupy", refuse)
    held = Reserve(tmp_path / "journal.sqlite3", SystemClock())
    assert (held.problem(), held.restore(), held.release()) == ("", True, False)


async def test_space_is_searched_for_now_and_then_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[int] = []

    def free(_held: Reserve) -> int:
        searched.append(1)
        return 0

    monkeypatch.setattr(Reserve, "_free", free)
    held = Reserve(tmp_path / "journal.sqlite3", VirtualClock())
    searched.clear()
    for _ in range(100):
        assert not held.restore()
    assert len(searched) == 1
    await asyncio.sleep(RESTORE_EVERY)
    assert not held.restore()
    assert len(searched) == 2


def test_it_is_released_in_slices_or_at_once_by_command(tmp_path: Path) -> None:
    held = Reserve(tmp_path / "journal.sqlite3", SystemClock())
    assert held.release()
    file = tmp_path / "journal.sqlite3.reserve"
    assert file.stat().st_size == SIZE - SLICE
    assert "3968 kB" in held.problem()
    file.unlink()
    assert not held.release(), "somebody has deleted it"
    assert not file.exists()


@pytest.mark.parametrize("entry", REDUCING, ids=lambda entry: type(entry).__name__)
def test_it_is_for_what_reduces(entry: Entry) -> None:
    assert reduces(entry)


@pytest.mark.parametrize("entry", OTHERS, ids=lambda entry: type(entry).__name__)
def test_it_is_not_for_anything_else(entry: Entry) -> None:
    assert not reduces(entry)


async def test_on_a_full_disk_only_the_reductions_of_a_batch_are_kept(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    execute, attempts = journal._committer._execute, []

    def full_at_first(writes: Any) -> None:
        attempts.append(writes)
        if len(attempts) == 1:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise error
        execute(writes)

    journal._committer._execute = full_at_first  # type: ignore[method-assign]  # the fault
    entries = (signal(), intent("close", reduce_only=True), event(), intent("open"), signal(depth="0"))
    outcomes = await asyncio.gather(*(journal.append(entry) for entry in entries), return_exceptions=True)
    assert [outcome is None for outcome in outcomes] == [False, True, False, False, True]
    journal.close()


async def test_what_is_marked_as_part_of_a_reduction_uses_the_reserve(tmp_path: Path) -> None:
    """A smaller position is a reduction, although neither its target nor its goal is flat."""
    journal = open_journal(tmp_path)
    Reserve.release(journal._reserve)
    journal._reserve._searched_at = float("inf")
    with pytest.raises(JournalError, match="the disk is full"):
        await journal.append(target(), goal())
    await journal.append(target(), goal(), reduction=True)
    assert journal.snapshot().books["paper", "BTCUSDT"].goal == goal()
    journal.close()


async def test_a_mixed_append_is_not_a_reduction(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    Reserve.release(journal._reserve)
    journal._reserve._searched_at = float("inf")
    with pytest.raises(JournalError, match="the disk is full"):
        await journal.append(intent("close", reduce_only=True), intent("open"))
    assert journal.intents(9) == []
    await journal.append()
    assert await journal.identify(name="main", plugin="bybit", host="api", uid="7") == "main"
    journal.close()
