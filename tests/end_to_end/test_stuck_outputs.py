"""A log that is not read, closed or full stops neither alerts nor a stop (there are public reports of each)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.engine_process import TE, EngineProcess, te
from tests.end_to_end.home import Home

pytestmark = pytest.mark.real_clock

Outputs = Callable[[int], EngineProcess]


class LoggedTo(EngineProcess):
    """An engine whose stdout and stderr are a descriptor."""

    def __init__(self, home: Home, output: int) -> None:
        self.home = home
        self._alerts = 0
        self._token = ""
        self.process = subprocess.Popen(
            [str(TE), "--settings", str(home.settings), "run"],
            env=home.environment(),
            cwd=home.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def refuse(self, alerts: int) -> None:
        """Send alerts that are refused, each with a line in the log."""
        for number in range(alerts):
            status, _ = self.post({"symbol": f"NOPE{number}", "direction": "long", "comment": "x" * 200})
            assert status == 422

    def trades(self) -> None:
        """Open and close a position."""
        alert = {"symbol": "BTCUSDT.P", "price": "50000"}
        self.accept(**alert, direction="long", size="50/100")
        self.until_position("BTCUSDT", "0.09")
        self.accept(**alert, direction="flat")
        self.until_position("BTCUSDT", "0")


@pytest.fixture
def logged_to(home: Home) -> Iterator[Outputs]:
    started: list[EngineProcess] = []

    def begin(output: int) -> EngineProcess:
        started.append(LoggedTo(home, output))
        return started[-1].until_ready()

    yield begin
    for engine in started:
        engine.kill()


def test_a_pipe_that_nobody_reads_stops_nothing(home: Home, logged_to: Outputs) -> None:
    home.tree["logs"] = {"level": "TRACE"}
    home.write()
    reading, writing = os.pipe()
    try:
        engine = logged_to(writing)
        os.close(writing)
        assert isinstance(engine, LoggedTo)
        engine.refuse(1_000)  # 280 filled the pipe
        engine.trades()
        assert engine.stop(signal.SIGTERM) == 0
    finally:
        os.close(reading)


def test_a_pipe_that_is_closed_stops_nothing(home: Home, logged_to: Outputs) -> None:
    reading, writing = os.pipe()
    engine = logged_to(writing)
    os.close(writing)
    os.close(reading)
    assert isinstance(engine, LoggedTo)
    engine.refuse(3)
    engine.trades()
    engine.wait(lambda: "log lines are lost" in home.events())
    assert engine.stop(signal.SIGINT) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_full_disk_behind_stdout_stops_nothing(home: Home, logged_to: Outputs) -> None:
    with Path("/dev/full").open("wb") as full:
        engine = logged_to(full.fileno())
    assert isinstance(engine, LoggedTo)
    engine.trades()
    assert engine.stop() == 0
    assert te(home, "check").returncode == 0
