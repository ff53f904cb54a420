"""One engine per journal (I15): a lock that the kernel releases when its holder ends, however that happens."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event

from te_core.errors import JournalError, JournalLocked

ATTEMPTS = 20
"""Attempts to take the lock: a process that only checks it (``is_locked``) has released it by then."""
SHARED = sys.platform != "win32"
"""Whether several processes may check the lock at once."""


def is_locked(journal: Path) -> bool:
    """Return whether an engine holds a journal now. Writes nothing, and blocks no engine that starts meanwhile."""
    if not journal.with_name(journal.name + ".lock").exists():
        return False
    try:
        file = os.open(journal.with_name(journal.name + ".lock"), os.O_RDONLY if SHARED else os.O_RDWR)
    except OSError:
        return False
    try:
        _lock(file, shared=True)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def holder(journal: Path) -> str:
    """Return which process holds a journal ("process 123"), or an empty text if none does."""
    if not is_locked(journal):
        return ""
    try:
        found = (
            journal.with_name(journal.name + ".lock").read_text(encoding="ascii", errors="replace").strip()
        )
    except OSError:
        found = ""
    return f"process {found}" if found.isdecimal() else "another process"


class JournalLock:
    """Holds ``<journal>.lock``, which contains the holder's process id. The file itself is never deleted."""

    def __init__(self, journal: Path) -> None:
        """Acquire the lock. Raise `JournalLocked` with the holder's pid, or `JournalError` without permission."""
        self.path = path = journal.with_name(journal.name + ".lock")
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise JournalError(
                f"journal {journal}: cannot write {path}: {error.strerror} "
                "(give this user write permission to the folder, or choose another with TE_HOME)"
            ) from error
        try:
            _lock_soon(self._file)
        except BlockingIOError:
            os.lseek(self._file, 0, os.SEEK_SET)
            found = os.read(self._file, 20).decode("ascii", "replace").strip()
            os.close(self._file)
            raise JournalLocked(str(journal), int(found) if found.isdecimal() else None) from None
        holder = f"{os.getpid()}\n".encode()
        with suppress(OSError):  # a full disk; the lock is held nevertheless
            os.lseek(self._file, 0, os.SEEK_SET)
            os.ftruncate(self._file, os.write(self._file, holder))

    def fileno(self) -> int:
        """Return the descriptor of the lock's file."""
        return self._file

    def release(self) -> None:
        """Release the lock. May be called again."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _lock_soon(file: int) -> None:
    """Lock the file, waiting for processes that only check it. Raise `BlockingIOError` if another engine holds it."""
    for _ in range(ATTEMPTS):
        try:
            return _lock(file)
        except BlockingIOError:
            _wait()
    return _lock(file)


def _wait() -> None:
    """Wait briefly until a process that only checks the lock releases it. Called before the event loop runs."""
    Event().wait(0.005)


if sys.platform == "win32":

    def _lock(file: int, *, shared: bool = False) -> None:  # noqa: ARG001 - only one process may check at a time here
        """Lock a byte far behind the content, which stays readable. Raise `BlockingIOError` if it is locked."""
        import msvcrt

        os.lseek(file, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError from error

else:

    def _lock(file: int, *, shared: bool = False) -> None:
        """Lock the file, or only check whether it could be locked (``shared``). Raise `BlockingIOError` if not."""
        import fcntl

        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
