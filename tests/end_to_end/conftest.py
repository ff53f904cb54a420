"""Engines that are real processes, in folders of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home with plain settings."""
    return Home(tmp_path / "home")


@pytest.fixture
def start() -> Iterator[Callable[[Home], EngineProcess]]:
    """Start engines; those that still run at the end of the test are killed."""
    started: list[EngineProcess] = []

    def begin(home: Home) -> EngineProcess:
        started.append(EngineProcess(home))
        return started[-1]

    yield begin
    for engine in started:
        engine.kill()


@pytest.fixture
def engine(home: Home, start: Callable[[Home], EngineProcess]) -> EngineProcess:
    """Return an engine that is ready, in the plain home."""
    return start(home).until_ready()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "figures":
                terminalreporter.write_line(str(text))
