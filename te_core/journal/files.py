"""Check that the open files are still those at the journal's path: a folder can be moved or deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path

Identity = tuple[int, int]
SUFFIXES = ("", "-wal", "-shm")


class OpenFiles:
    """The identities of the journal's files when it was opened. ``lock``: the descriptor of the lock's file.

    A commit to a file that was moved away or deleted succeeds, but is missing at the next start; meanwhile a second
    engine can start at the path. So the files and the lock are compared before each commit and each order: four system
    calls without disk access.
    """

    def __init__(self, path: Path, *, lock_path: Path, lock: int) -> None:
        self._path = path
        files = [path.with_name(path.name + suffix) for suffix in SUFFIXES]
        self._opened = {str(file): _identity(file.stat()) for file in files}
        self._opened[str(lock_path)] = _identity(os.fstat(lock))

    def problem(self) -> str:
        """Return which file is no longer in its place, what that means and what to do; "" if all are in place."""
        for file, identity in self._opened.items():
            try:
                if _identity(os.stat(file)) == identity:  # noqa: PTH116 - half the time of Path.stat, at each commit
                    continue
                found = "was replaced by another file"
            except OSError as error:
                found = f"is gone ({error.strerror})"
            return (
                f"journal {self._path}: {Path(file).name} {found} while the engine is running: nothing is "
                "recorded and no order is sent; put back what was moved or deleted, or restart the engine to continue "
                "with the files that are there"
            )
        return ""


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino
