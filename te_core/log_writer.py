"""Writes log lines from a separate thread, so that logging never waits for a pipe, a terminal or a disk."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO

MOST_WAITING = 4 * 1024 * 1024
"""Maximum characters queued for one output; when the queue is full, further lines are dropped and counted."""

Write = Callable[[str], None]


class LogWriter:
    """Passes lines to ``write``, in order, as fast as it accepts them.

    ``write`` may block for any time and raises ``OSError`` or ``ValueError`` if it cannot write; ``release``
    is called once it is no longer needed. Lost lines are counted: ``lost_line`` builds the line that reports them,
    written as soon as writing works again. ``on_problem`` is called, from any thread, with the output's name
    and the reason when lines begin to be lost, and with "" when no more are lost.
    """

    def __init__(
        self,
        write: Write,
        *,
        name: str,
        release: Callable[[], None] = lambda: None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self.lost_line: Callable[[int], str] = lambda lost: f"{lost} lines lost\n"
        self.on_problem: Callable[[str, str], None] | None = None
        self._write = write
        self._release = release
        self._name = name
        self._most_waiting = most_waiting
        self._lines: deque[str] = deque()
        self._size = 0
        """Characters queued, including those being written."""
        self._lost = 0
        self._problem = ""
        self._closing = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, line: str) -> None:
        """Queue a line, which must include its line feed. Returns at once."""
        with self._changed:
            if self._closing:
                return
            if self._size + len(line) > self._most_waiting:
                self._lost += 1
                problem = (
                    f"{self._name} does not accept more lines; dropping log lines (is its reader stopped?)"
                )
            else:
                self._lines.append(line)
                self._size += len(line)
                problem = ""
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._run, name=f"log to {self._name}", daemon=True
                    )
                    self._thread.start()
                self._changed.notify_all()
        if problem:
            self._report(problem)

    def flush(self, seconds: float) -> bool:
        """Wait at most ``seconds`` until everything is written; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._size, seconds)

    def close(self, seconds: float) -> None:
        """Stop accepting lines, write the queued ones, and release the output; wait at most ``seconds`` for that."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is None:
            self._release()
        else:
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self._pass_on()
        finally:
            self._release()

    def _pass_on(self) -> None:
        while lines := self._next():
            text = "".join(lines)
            try:
                self._write(text)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                self._written(text, failed=len(lines))
                self._report(f"cannot write to {self._name} ({reason}); log lines are lost")
            else:
                self._written(text)

    def _next(self) -> deque[str]:
        """Wait for lines to write and return them; empty once the writer is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._closing)
            lines, self._lines = self._lines, deque()
            return lines

    def _written(self, text: str, *, failed: int = 0) -> None:
        with self._changed:
            self._size -= len(text)
            self._lost += failed
            well = not failed and not self._lost
            if not failed and self._lost:  # the queued lines came before the lost ones
                line = self.lost_line(self._lost)
                self._lines.append(line)
                self._size += len(line)
                self._lost = 0
            self._changed.notify_all()
        if well:
            self._report("")

    def _report(self, problem: str) -> None:
        with self._changed:
            before, self._problem = self._problem, problem
        if bool(before) != bool(problem) and self.on_problem is not None:
            self.on_problem(self._name, problem)


def writing_to(stream: TextIO) -> Write:
    """Return a function that writes to a stream.

    It bypasses the stream's buffer if there is a file descriptor: a thread stuck in the stream would hold its lock, and
    every other user of the stream would hang, including the interpreter's shutdown.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):

        def write(text: str) -> None:
            stream.write(text)
            stream.flush()

        return write

    encoding = stream.encoding or "utf-8"

    def write_raw(text: str) -> None:
        rest = memoryview(text.encode(encoding, "backslashreplace"))
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    return write_raw
