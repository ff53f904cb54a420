"""A settings folder, `te` in this process, and a real engine in another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
from typer.testing import CliRunner, Result

from te_core.cli.main import app
from te_emulators.threads import served
from tests.cli.wizard_harness import Wizards
from tests.exchanges.trading import keys

TE = Path(sys.executable).with_name("te")

SETTINGS = """
[listen.public]
port = 0
[listen.private]
port = 0
[sources.tradingview]
plugin = "tradingview"
symbols = { "BTCUSDT.P" = "BTCUSDT", "ETHUSDT.P" = "ETHUSDT" }
[accounts.paper]
plugin = "paper"
balance = 10000
[symbols.BTCUSDT]
leverage = 3
weights = { tradingview = 0.5 }
[symbols.ETHUSDT]
weights = { tradingview = 0.5 }
"""


@dataclass
class Folder:
    """The folder of one engine."""

    path: Path

    @property
    def settings(self) -> Path:
        return self.path / "settings.toml"

    @property
    def state(self) -> Path:
        return self.path / "state"

    def edit(self, old: str, new: str) -> None:
        text = self.settings.read_text()
        assert old in text
        self.settings.write_text(text.replace(old, new))

    def te(self, *arguments: str, env: dict[str, str] | None = None, given: str | None = None) -> Result:
        """Run a command in this process. ``given``: what is typed."""
        line = ["--settings", str(self.settings), *arguments]
        return CliRunner().invoke(app, line, env=env, input=given)

    def json(self, *arguments: str) -> Any:
        """Return a command's JSON output. `te status` prints it whatever its exit code says about the engine."""
        result = self.te(*arguments, "--json")
        assert result.exit_code == 0 or arguments[0] == "status", result.stderr
        return json.loads(result.stdout)


@dataclass
class Process:
    """A running `te run`."""

    folder: Folder
    process: subprocess.Popen[str]
    said: str
    """What it printed at the start."""

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    @property
    def log(self) -> str:
        return (self.folder.path / "log").read_text()

    def lines_until(self, *words: str) -> str:
        return _read_until(self.process.stdout, *words)


def _read_until(stream: IO[str] | None, *words: str) -> str:
    assert stream is not None
    said = ""
    for line in stream:
        said += line
        if any(word in line for word in words):
            break
    return said


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    for name in [name for name in os.environ if name.startswith("TE_")]:
        monkeypatch.delenv(name)
    (tmp_path / "settings.toml").write_text(SETTINGS)
    return Folder(tmp_path)


def start(folder: Folder, *before: str) -> Process:
    """Start a real engine and wait until it has printed what is running. ``before``: a program that starts it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("TE_")}
    with (folder.path / "log").open("w") as log:
        process = subprocess.Popen(
            [*before, TE, "run", "--settings", str(folder.settings)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=env,
            cwd=folder.path,
        )
    said = _read_until(process.stdout, "curl ", "An alert by hand")
    return Process(folder, process, said + _read_until(process.stdout, "curl "))


@pytest.fixture
def started() -> Iterator[Callable[..., Process]]:
    """Start engines that are killed at the end of the test, however it ends."""
    processes: list[Process] = []

    def begin(folder: Folder, *before: str) -> Process:
        processes.append(start(folder, *before))
        return processes[-1]

    yield begin
    for process in processes:
        process.process.kill()
        process.process.wait()
        assert process.process.stdout is not None
        process.process.stdout.close()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A real engine that the tests of a module share."""
    path = tmp_path_factory.mktemp("engine")
    (path / "settings.toml").write_text(SETTINGS)
    process = start(Folder(path))
    yield process
    assert process.stop() == 0
    assert process.process.stdout is not None
    process.process.stdout.close()
    assert "Traceback" not in process.log


@pytest.fixture
def wizards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wizards:
    monkeypatch.setenv("TE_HOME", str(tmp_path))
    return Wizards(tmp_path)


@pytest.fixture(scope="module")
def bybit() -> Iterator[dict[str, str]]:
    """Run an emulated Bybit in a thread of its own; return its address and the key that it accepts."""
    with served("bybit") as found:
        yield {key: str(text) for key, text in keys(found.servers["bybit"]).items()}


@pytest.fixture
def keyed(wizards: Wizards, bybit: dict[str, str]) -> Wizards:
    wizards.add_account(bybit)
    return wizards
