"""Space kept for when the disk is full, so that positions can still be reduced: an intent must be journaled first."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from te_core.clock import Clock

SLICE = 128 * 1024
"""Bytes that are let go at a time: whatever is freed may be filled by another program's log at once."""

SIZE = 32 * SLICE
"""Bytes of a whole reserve: room for all that the log may hold when the disk gets full. Where that is little, it is
enough for the entries of some thousands of orders."""

RESTORE_EVERY = 5.0
"""Seconds between two searches for space."""

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class Reserve:
    """Holds ``<journal>.reserve``, a file without content that occupies space until the disk is full."""

    def __init__(self, journal: Path, clock: Clock) -> None:
        """Make it, if there is space for it. Where the file cannot be made for another reason, there is none."""
        self._path = journal.with_name(journal.name + ".reserve")
        self._clock = clock
        self._size = SIZE
        self._held = _occupied(self._path)
        self._searched_at = float("-inf")
        self._grow()
        if self._free() < SLICE:  # to open a database takes some space too
            self.release()

    def problem(self) -> str:
        """Return what is not recorded while there is no space, and what to do; "" while the reserve is whole."""
        if self._held >= self._size:
            return ""
        return (
            f"{self._path.parent}: the disk is full: only what reduces positions is recorded, on the "
            f"{self._held // 1024} kB that are left of {self._path.name}; alerts are refused and no position is "
            "opened or enlarged; free disk space, the engine goes on by itself"
        )

    def restore(self) -> bool:
        """Make it whole again if there is space for it; return whether it is whole."""
        if self._held < self._size:
            now = self._clock.monotonic()
            if now - self._searched_at >= RESTORE_EVERY:
                self._searched_at = now
                self._grow()
        return self._held >= self._size

    def release(self) -> bool:
        """Let a slice go; return whether there was one."""
        if not self._held:
            return False
        self._held = max(0, self._held - SLICE)
        try:
            os.truncate(self._path, self._held)
        except OSError:  # somebody has deleted it for its space
            self._held = 0
            return False
        return True

    def _grow(self) -> None:
        missing = self._size - self._held
        # As much again stays free, else this would fill the disk by itself, and be let go with the next entry.
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
    """Return what a file occupies; one that was copied may have its size, but no space."""
    with suppress(OSError):
        found = path.stat()
        if sys.platform == "win32":  # it does not say
            return found.st_size
        return min(found.st_size, found.st_blocks * 512)
    return 0


def _occupy(path: Path, start: int, length: int) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform in {"win32", "darwin"}:
            with open(handle, "wb", closefd=False) as stream:
                stream.seek(start)
                stream.write(bytes(length))  # these systems have no call for it
        else:
            os.posix_fallocate(handle, start, length)
    except OSError:
        os.ftruncate(handle, start)
        raise
    finally:
        os.close(handle)
