"""An output that hangs, breaks or fills up costs lines, never time, and the number of lost lines is logged."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from te_core.log_writer import LogWriter, writing_to

LONG = 20
"""Seconds after which a test gives up; none waits that long."""


class Gate:
    """An output that accepts text only while it is open."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.text = ""
        self.error: OSError | None = None

    def __call__(self, text: str) -> None:
        self.entered.set()
        assert self.open.wait(LONG)
        if self.error is not None:
            raise self.error
        self.text += text


class Problems(list[tuple[str, str]]):
    """The reported outages, and their ends."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def __call__(self, name: str, problem: str) -> None:
        self.append((name, problem))
        if not problem:
            self.over.set()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def problems() -> Problems:
    return Problems()


@pytest.fixture
def writer(gate: Gate, problems: Problems) -> Iterator[LogWriter]:
    made = LogWriter(gate, name="stderr", most_waiting=30)
    made.lost_line = lambda lost: f"{lost} lost\n"
    made.on_problem = problems
    yield made
    gate.open.set()
    made.close(LONG)


def test_lines_arrive_in_order(writer: LogWriter, gate: Gate) -> None:
    gate.open.set()
    for number in range(3):
        writer.put(f"line {number}\n")
    assert writer.flush(LONG)
    assert gate.text == "line 0\nline 1\nline 2\n"


def test_what_a_stuck_output_cannot_take_is_counted(
    writer: LogWriter, gate: Gate, problems: Problems
) -> None:
    writer.put("line 0000\n")
    assert gate.entered.wait(LONG)
    for number in range(1, 100):
        writer.put(f"line {number:04}\n")  # returns, although nothing is accepted
    assert not writer.flush(0)
    assert [name for name, _ in problems] == ["stderr"]
    assert "is its reader stopped?" in problems[0][1]
    gate.open.set()
    assert problems.over.wait(LONG)
    assert writer.flush(LONG)
    assert gate.text == "line 0000\nline 0001\nline 0002\n97 lost\n"
    writer.put("line 0100\n")
    assert writer.flush(LONG)
    assert gate.text.endswith("97 lost\nline 0100\n")
    assert problems[1:] == [("stderr", "")]


def test_what_cannot_be_written_is_counted_too(writer: LogWriter, gate: Gate, problems: Problems) -> None:
    gate.open.set()
    gate.error = OSError(28, "No space left on device")
    writer.put("first\n")
    assert writer.flush(LONG)
    writer.put("second\n")
    assert writer.flush(LONG)
    gate.error = None
    writer.put("third\n")
    assert problems.over.wait(LONG)
    assert gate.text == "third\n2 lost\n"
    assert "(No space left on device); log lines are lost" in problems[0][1]


def test_a_closed_writer_accepts_nothing(gate: Gate) -> None:
    released = []
    gate.open.set()
    writer = LogWriter(gate, name="file", release=lambda: released.append(gate.text))
    writer.put("kept\n")
    writer.close(LONG)
    writer.put("late\n")
    assert (gate.text, released) == ("kept\n", ["kept\n"])


def test_an_unread_pipe_blocks_nothing() -> None:
    """The stream's own lock stays free: others can use the stream while the thread is stuck."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w", encoding="utf-8") as stream:
        writer = LogWriter(writing_to(stream), name="stderr")
        for number in range(20_000):
            writer.put(f"line {number} is longer than a pipe is wide\n")
        assert not writer.flush(0)
        stream.flush()
        read = b""
        while not writer.flush(0):  # which may be a moment after the last byte was read
            if select.select([reader], [], [], 1)[0]:
                read += os.read(reader.fileno(), 65_536)
        writer.close(LONG)
        os.set_blocking(reader.fileno(), False)
        read += reader.read() or b""
    assert read.decode().splitlines()[-1] == "line 19999 is longer than a pipe is wide"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_raises_in_the_thread_only(problems: Problems) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as stream:
        writer = LogWriter(writing_to(stream), name="stdout")
        writer.on_problem = problems
        writer.put("line\n")
        writer.close(LONG)
    assert problems == [("stdout", "cannot write to stdout (No space left on device); log lines are lost")]
