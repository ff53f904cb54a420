"""Follows a file that another process writes and rotates: each line once, in order, without polling."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

HEARTBEAT = 5_000
"""Milliseconds after which the file is read even without a notification: not every file system sends them."""
DEBOUNCE = 50
LAST = 65_536
"""Bytes at the end of the file that are searched for the newest lines at the start."""


class Tail:
    """Reads what was written since the last read. ``files``: returns the file and its rotated files, oldest first.

    Files that were rotated between two reads are read to their end before the current one is opened.
    """

    def __init__(self, file: Path, files: Callable[[], Sequence[Path]]) -> None:
        self._file = file
        self._files = files
        self._open: IO[bytes] = file.open("rb")
        self._half = b""

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def before(self, files: Sequence[Path]) -> list[Path]:
        """Return the files that are older than the open one."""
        return [file for file in files[: self._place(files)] if file != self._file]

    def skip(self, *, last: int = LAST) -> None:
        """Skip all but the last bytes, including the line that begins before them."""
        size = os.fstat(self._open.fileno()).st_size
        if size > last:
            self._open.seek(size - last)
            self._open.readline()

    def lines(self) -> list[str]:
        """Return the new complete lines; a line is complete once its newline is written."""
        found = self._read()
        for file in self._newer():
            self._half = b""  # an incomplete last line of a file that is not written to any more
            self._open.close()
            self._open = file.open("rb")
            found += self._read()
        return found

    def _read(self) -> list[str]:
        if os.fstat(self._open.fileno()).st_size < self._open.tell():
            self._open.seek(0)  # it was truncated in place
            self._half = b""
        whole, _, self._half = (self._half + self._open.read()).rpartition(b"\n")
        return whole.decode("utf-8", "replace").split("\n") if whole else []

    def _newer(self) -> list[Path]:
        """Return the files that are newer than the open one; none while that is the current one."""
        here = os.fstat(self._open.fileno())
        try:
            if os.path.samestat(here, self._file.stat()):
                return []
        except FileNotFoundError:  # between two steps of a rotation
            return []
        files = [file for file in self._files() if file.suffix != ".gz"]
        place = self._place(files)
        return files[place + 1 :] if place < len(files) else [self._file]

    def _place(self, files: Sequence[Path]) -> int:
        """Return the index of the open file among ``files``; their number if it was compressed or deleted meanwhile."""
        here = os.fstat(self._open.fileno())
        for place, file in enumerate(files):
            with suppress(FileNotFoundError):
                if os.path.samestat(here, file.stat()):
                    return place
        return len(files)


def followed(tail: Tail, file: Path) -> Iterator[list[str]]:
    """Yield new lines as they are written, until an interrupt."""
    from watchfiles import watch

    yield tail.lines()
    for _ in watch(
        file.parent,
        watch_filter=lambda _, path: Path(path).name.startswith(file.name),
        debounce=DEBOUNCE,
        step=DEBOUNCE,
        rust_timeout=HEARTBEAT,
        yield_on_timeout=True,
        recursive=False,
        raise_interrupt=False,
    ):
        if lines := tail.lines():
            yield lines
