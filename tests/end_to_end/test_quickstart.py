"""docs/quickstart.md, replayed: the first terminal is a real one of 80 columns."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.engine_process import TIMEOUT, eventually

TE = Path(sys.executable).with_name("te")
GUIDE = Path(__file__).parents[2] / "docs" / "quickstart.md"
PROMPT = re.compile(r"(?P<prompt>.*\[.*\]:) ?(?P<answer>.*)")
MOST_QUESTIONS = 10
"""Questions that a first set-up may ask at most."""


def blocks() -> list[list[str]]:
    """Return the lines of each session that the guide shows."""
    return [block.splitlines() for block in re.findall(r"```console\n(.*?)```", GUIDE.read_text(), re.S)]


class Terminal:
    """A program on a pseudo-terminal of 80 columns and 24 lines."""

    def __init__(self, command: list[str], folder: Path, env: dict[str, str]) -> None:
        self._here, there = pty.openpty()
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=there, stdout=there, stderr=there, start_new_session=True
        )
        os.close(there)
        self.shown = ""
        self._seen = 0

    def until(self, text: str) -> None:
        """Wait for a text after the one that was waited for before. "…" matches anything."""
        pattern = re.compile(r"\s*".join(map(re.escape, text.split())).replace("…", r"[\s\S]*?"))
        deadline = time.monotonic() + TIMEOUT
        while not (found := pattern.search(self.shown, self._seen)):
            assert time.monotonic() < deadline, (
                f"waited too long for {text!r} after:\n{self.shown[self._seen :]}"
            )
            if select.select([self._here], [], [], 0.1)[0]:
                self.shown += os.read(self._here, 65536).decode().replace("\r\n", "\n")
        self._seen = found.end()

    def type(self, text: str) -> None:
        os.write(self._here, f"{text}\n".encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._here)


@pytest.fixture
def env() -> dict[str, str]:
    """Ports that the system chooses; the rest is what a new user has."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TE_")}
    ports = {"TE_LISTEN__PUBLIC__PORT": "0", "TE_LISTEN__PRIVATE__PORT": "0"}
    return {**clean, **ports, "PATH": f"{TE.parent}{os.pathsep}{clean['PATH']}", "TERM": "xterm"}


@pytest.fixture
def terminal(tmp_path: Path, env: dict[str, str]) -> Iterator[Terminal]:
    (first, *_), _ = blocks()
    opened = Terminal(first.removeprefix("$ ").split(), tmp_path, env)
    yield opened
    opened.close()


def test_the_guide_leads_from_an_empty_folder_to_a_position(
    terminal: Terminal, tmp_path: Path, env: dict[str, str]
) -> None:
    (_, *shown), second = blocks()
    asked = 0
    for line in shown:
        if found := PROMPT.fullmatch(line):
            terminal.until(found["prompt"])
            terminal.type(found["answer"])
            asked += 1
        else:
            terminal.until(line)
    assert asked < MOST_QUESTIONS
    assert (tmp_path / ".secrets.toml").stat().st_mode & 0o777 == 0o600
    _replay(second, tmp_path, env)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(TIMEOUT) == 0


def _replay(lines: list[str], folder: Path, env: dict[str, str]) -> None:
    command, expected = "", []
    for line in [*lines, "$ "]:
        if not line.startswith("$ "):
            expected.append(line)
            continue
        if command:
            eventually(lambda c=command, e=tuple(expected): _shows(c, e, folder, env))  # type: ignore[misc]
        command, expected = line.removeprefix("$ "), []


def _shows(command: str, expected: tuple[str, ...], folder: Path, env: dict[str, str]) -> bool:
    done = subprocess.run(command.split(), cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.returncode == 0 and all(text in done.stdout for text in expected)
