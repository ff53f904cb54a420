"""Disk space in reserve, so that positions can be reduced on a full disk: an intent must be journaled first."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from te_core.clock import Clock

SLICE = 128 * 1024
"""Bytes that are released at a time: another program may fill whatever is freed at once."""

SIZE = 32 * SLICE
"""Bytes of a whole reserve: room for all that the write-ahead log may contain when the disk fills up. If that is
little, the reserve is enough for the entries of some thousands of orders."""

RESTORE_EVERY = 5.0
"""Seconds between two attempts to restore the reserve."""

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Reserve:
    """Manages ``<journal>.reserve``, a file without content that occupies space until the disk is full."""

    def __init__(self, journal: Path, clock: Clock) -> None:
        """Create the file if there is space for it. If it cannot be created for another reason, there is no reserve."""
        self._path = journal.with_name(journal.name + ".reserve")
        self._clock = clock
        self._size = SIZE
        self._held = _occupied(self._path)
        self._searched_at = float("-inf")
        self._grow()
        if self._free() < SLICE:  # opening a database takes some space too
            self.release()

    def problem(self) -> str:
        """Return what is not recorded while the disk is full, and what to do; "" while the reserve is whole."""
        if self._held >= self._size:
            return ""
        return (
            f"{self._path.parent}: the disk is full: only what reduces positions is recorded, in the "
            f"{self._held // 1024} kB that are left of {self._path.name}; alerts are refused and no position is "
            "opened or enlarged; free disk space, the engine then continues on its own"
        )

    def restore(self) -> bool:
        """Restore the reserve to its full size if there is space; return whether it is whole."""
        if self._held < self._size:
            now = self._clock.monotonic()
            if now - self._searched_at >= RESTORE_EVERY:
                self._searched_at = now
                self._grow()
        return self._held >= self._size

    def release(self) -> bool:
        """Release one slice; return whether there was one."""
        if not self._held:
            return False
        self._held = max(0, self._held - SLICE)
        try:
            os.truncate(self._path, self._held)
        except OSError:  # the file was deleted to free its space
            self._held = 0
            return False
        return True

    def _grow(self) -> None:
        missing = self._size - self._held
        # As much again must stay free; otherwise this would fill the disk and be released with the next entry.
        if missing <= 0 or self._free() < missing + self._size:
            return
        try:
            _occupy(self._path, self._held, missing)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                self._size = self._held
        else:
            self._held = self._size

    def _free(self) -> int:
        return shutil.disk_usage(self._path.parent).free


def _occupied(path: Path) -> int:
    """Return the bytes that a file occupies; a copied file may have its size without occupying space."""
    with suppress(OSError):
        found = path.stat()
        if sys.platform == "win32":  # it does not report blocks
            return found.st_size
        return min(found.st_size, found.st_blocks * 512)
    return 0


def _occupy(path: Path, start: int, length: int) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform in {"win32", "darwin"}:
            with open(handle, "wb", closefd=False) as stream:
                stream.seek(start)
                stream.write(bytes(length))  # these systems have no fallocate
        else:
            os.posix_fallocate(handle, start, length)
    except OSError:
        os.ftruncate(handle, start)
        raise
    finally:
        os.close(handle)
