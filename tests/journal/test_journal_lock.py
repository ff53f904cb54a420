"""One engine per journal (I15), and what was acknowledged survives a kill (I1)."""

from __future__ import annotations

import fcntl
import os
import random
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from te_core.errors import JournalError, JournalLocked
from te_core.journal import lock
from te_core.journal.journal import Journal
from te_core.journal.lock import JournalLock, is_locked
from tests.journal.journal_samples import event, open_journal

ENGINE = Path(__file__).with_name("journal_process.py")
ROOT = Path(__file__).parents[2]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a process that appends and prints the number of each append once it is durable."""
    command = [sys.executable, "-m", "tests.journal.journal_process", str(folder), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def read_acknowledged(process: subprocess.Popen[str], count: int) -> list[int]:
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(count)]


def kill(process: subprocess.Popen[str]) -> list[int]:
    """Kill it at once; return what it had acknowledged."""
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    # The kill may have cut off the last line: then its number was not reported.
    return [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.real_clock
async def test_a_second_process_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    holder = start(tmp_path)
    read_acknowledged(holder, 1)
    with pytest.raises(
        JournalLocked, match=f"process {holder.pid}: only one engine may use a journal"
    ) as refusal:
        open_journal(tmp_path)
    assert refusal.value.pid == holder.pid
    reader = Journal.open_readonly(tmp_path / "journal.sqlite3")
    assert reader.signals(1)
    reader.close()

    kill(holder)
    journal = open_journal(tmp_path)
    await journal.append(event())
    journal.close()


class Windows(ModuleType):
    """``msvcrt`` as far as it is used: it locks bytes from the file's position, and refuses with ``OSError``."""

    LK_NBLCK = 2

    def locking(self, file: int, mode: int, length: int) -> None:
        assert (mode, length) == (self.LK_NBLCK, 1)
        assert os.lseek(file, 0, os.SEEK_CUR) > 1_000, (
            "a byte of the content cannot be read while it is locked"
        )
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(13, "Permission denied") from None


def test_on_windows_its_own_call_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``fcntl``; the module is imported again, as on such a system."""
    with monkeypatch.context() as there:
        there.setattr(sys, "platform", "win32")
        there.setitem(sys.modules, "fcntl", None)
        there.setitem(sys.modules, "msvcrt", Windows("msvcrt"))
        windows = runpy.run_path(str(ROOT / "te_core" / "journal" / "lock.py"))["JournalLock"]
        first = windows(tmp_path / "journal")
        with pytest.raises(JournalLocked) as refusal:
            windows(tmp_path / "journal")
        assert refusal.value.pid == os.getpid()
        first.release()
        windows(tmp_path / "journal").release()
    JournalLock(tmp_path / "journal").release()


async def test_within_one_process_the_second_is_refused_too(tmp_path: Path) -> None:
    first = open_journal(tmp_path)
    with pytest.raises(JournalLocked) as refusal:
        open_journal(tmp_path)
    assert refusal.value.pid == os.getpid()
    first.close()
    open_journal(tmp_path).close()


async def test_another_name_for_the_same_journal_is_the_same_journal(tmp_path: Path) -> None:
    first = open_journal(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(JournalLocked):
        open_journal(tmp_path / "link")
    first.close()


async def test_reopening_keeps_the_file_locked_for_others(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(event("before"))
    Journal.open_readonly(journal.path).close()
    # The last to close a database removes its log. Only our locks show the other program that it is not the last.
    script = f"import sqlite3; c = sqlite3.connect({str(journal.path)!r}); c.execute('SELECT * FROM meta'); c.close()"
    log = journal.path.with_name("journal.sqlite3-wal").stat().st_ino
    subprocess.run([sys.executable, "-c", script], check=True)
    assert journal.path.with_name("journal.sqlite3-wal").stat().st_ino == log
    await journal.append(event("after"))
    assert [read.text for read in journal.events(9)] == ["after", "before"]
    journal.close()


async def test_a_refused_open_releases_the_lock(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3").write_text("no journal")
    with pytest.raises(JournalError):
        open_journal(tmp_path)
    JournalLock(tmp_path / "journal.sqlite3").release()


async def test_a_lock_file_without_a_pid_still_refuses(tmp_path: Path) -> None:
    first = JournalLock(tmp_path / "journal.sqlite3")
    (tmp_path / "journal.sqlite3.lock").write_text("")
    with pytest.raises(JournalLocked, match="another process") as refusal:
        open_journal(tmp_path)
    assert refusal.value.pid is None
    first.release()


def test_an_engine_that_starts_during_a_query_is_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "journal.sqlite3"
    asking = os.open(place.with_name("journal.sqlite3.lock"), os.O_RDONLY | os.O_CREAT, 0o600)
    fcntl.flock(asking, fcntl.LOCK_SH)
    monkeypatch.setattr(lock, "_wait", lambda: fcntl.flock(asking, fcntl.LOCK_UN))
    held = JournalLock(place)
    assert is_locked(place)
    held.release()
    os.close(asking)


def test_asking_leaves_the_pid_of_the_last_holder(tmp_path: Path) -> None:
    place = tmp_path / "journal.sqlite3"
    place.with_name("journal.sqlite3.lock").write_text("4711\n")
    assert not is_locked(place)
    assert place.with_name("journal.sqlite3.lock").read_text() == "4711\n"


@pytest.mark.real_clock
async def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    moments = random.Random(7)
    acknowledged: set[int] = set()
    for cycle in range(5):
        process = start(tmp_path, str(cycle * 1_000_000))
        acknowledged.update(read_acknowledged(process, moments.randrange(1, 400)))
        acknowledged.update(kill(process))

        reader = Journal.open_readonly(tmp_path / "journal.sqlite3")
        kept = {int(read.sequence or "") for read in reader.signals(10_000_000)}
        reader.close()
        assert acknowledged <= kept, f"lost in cycle {cycle}: {sorted(acknowledged - kept)[:5]}"

        journal = open_journal(tmp_path)
        newest = {read.symbol: int(read.sequence or "") for read in journal.snapshot().signals}
        for symbol, newest_number in newest.items():
            assert newest_number == max(number for number in kept if f"S{number % 20}" == symbol)
        journal.close()
