"""A command at a pseudo-terminal, and its output there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tests.end_to_end.engine_process import TE, TIMEOUT


class Installation(Protocol):
    """A command's settings, folder and environment."""

    @property
    def settings(self) -> Path:
        """The settings file."""
        ...

    def environment(self) -> dict[str, str]:
        """Return the variables of its environment."""
        ...


class Terminal:
    """A command at a terminal of its own, of 80 columns and 24 lines."""

    def __init__(self, home: Installation, *arguments: str) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.shown = ""
        self.process = subprocess.Popen(
            [str(TE), "--settings", str(home.settings), *arguments],
            env={**home.environment(), "COLUMNS": "80", "LINES": "24", "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=self._take_terminal,  # noqa: PLW1509 - no thread of ours holds a lock that it needs
        )
        os.close(theirs)

    @staticmethod
    def _take_terminal() -> None:
        """Make it the controlling terminal, so that Ctrl-C works even if the tests run as a job that ignores it."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def until(self, pattern: str) -> None:
        """Read until something new is shown that matches."""
        deadline = time.monotonic() + TIMEOUT
        seen = len(self.shown)
        while not re.search(pattern, self.shown[seen:]):
            assert time.monotonic() < deadline, self.shown
            if select.select([self.ours], [], [], 1)[0]:
                self.shown += os.read(self.ours, 65536).decode()

    def type(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def end(self, key: str = "") -> int:
        """Wait for its end; return the exit code.

        ``key`` is pressed until then: Python handles a signal that arrives between a prompt and the read of its answer
        only with the next one.
        """
        deadline = time.monotonic() + TIMEOUT
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown
            self.type(key)
            if select.select([self.ours], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.ours, 65536).decode()
                except OSError:
                    break
        self._read_rest()
        os.close(self.ours)
        return self.process.wait(TIMEOUT)

    def _read_rest(self) -> None:
        """Read the last output: once nobody has the other end open, a read is an error."""
        with suppress(OSError):
            while part := os.read(self.ours, 65536):
                self.shown += part.decode()
