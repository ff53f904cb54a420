"""Is what the engine has open still what is at the journal's path? A folder can be moved or deleted under a process."""

from __future__ import annotations

import os
from pathlib import Path

Identity = tuple[int, int]
SUFFIXES = ("", "-wal", "-shm")


class OpenFiles:
    """The journal's files as they were when it was opened. ``lock``: the descriptor of the lock's file.

    A commit to a file that was moved away or deleted succeeds, and is missing at the next start; meanwhile a second
    engine can start at the path. So both files and lock are compared before each commit and each order: four system
    calls that touch no disk.
    """

    def __init__(self, path: Path, *, lock_path: Path, lock: int) -> None:
        self._path = path
        files = [path.with_name(path.name + suffix) for suffix in SUFFIXES]
        self._opened = {str(file): _identity(file.stat()) for file in files}
        self._opened[str(lock_path)] = _identity(os.fstat(lock))

    def problem(self) -> str:
        """Return what is no longer in its place, what that means and what to do; "" if all is."""
        for file, identity in self._opened.items():
            try:
                if _identity(os.stat(file)) == identity:  # noqa: PTH116 - half the time of Path.stat, at each commit
                    continue
                found = "was replaced by another file"
            except OSError as error:
                found = f"is gone ({error.strerror})"
            return (
                f"journal {self._path}: {Path(file).name} {found} while the engine is running: nothing is "
                "recorded and no order is sent; put back what was moved or deleted, or restart the engine to go on "
                "with what is there"
            )
        return ""


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino
