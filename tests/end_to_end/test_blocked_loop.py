"""A plugin that blocks the event loop is named while it blocks; after a stopped process nobody is named."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.end_to_end.engine_process import EngineProcess, eventually
from tests.end_to_end.home import Home
from tests.end_to_end.packages import install

pytestmark = pytest.mark.real_clock

BLOCKING = """
    import asyncio
    import pathlib
    import time

    from pydantic import BaseModel
    from te_core.api import SignalSource, SignalSourceSpec, WebhookResponse, hookimpl

    class Options(BaseModel):
        pass

    class Sleepy(SignalSource):
        def __init__(self, context):
            pass

        async def on_webhook(self, request):
            return WebhookResponse(status=200, body={})

        async def run(self):
            folder = pathlib.Path(FOLDER)
            while not (folder / "begin").exists():
                await asyncio.sleep(0.02)
            while not (folder / "end").exists():
                WAIT  # HERE
            await asyncio.Event().wait()

    @hookimpl
    def te_signal_sources():
        yield SignalSourceSpec(name=NAME, settings=Options, factory=Sleepy)
"""
WAYS = {"sleeping": "time.sleep(0.05)", "computing": "sum(range(1000))"}


@pytest.mark.parametrize("way", WAYS)
def test_a_blocking_plugin_is_named_by_file_and_line_meanwhile(
    way: str, home: Home, start: Callable[[Home], EngineProcess]
) -> None:
    code = BLOCKING.replace("FOLDER", repr(str(home.folder))).replace("WAIT", WAYS[way])
    install(home, "sleepy", code)
    home.tree["sources"]["sleepy"] = {"plugin": "sleepy", "symbols": {}}
    home.write()
    engine = start(home).until_listening()
    engine.accept(symbol="BTCUSDT.P", direction="long", size="50/100", price="50000")
    assert "event loop blocked" not in home.log()

    (home.folder / "begin").touch()
    eventually(lambda: "event loop blocked" in home.log(), told=home.said)  # the loop has not continued yet
    (line,) = [line for line in home.log().splitlines() if "event loop blocked" in line]
    assert "plugin sleepy (te-test-sleepy): Sleepy.run, " in line
    module = home.site / "te_test_sleepy.py"
    lines = module.read_text().splitlines()
    here = next(number for number, text in enumerate(lines, 1) if "HERE" in text)
    assert any(f"{module}:{number}" in line for number in (here - 1, here)), line
    assert "event loop free again" not in home.log()

    (home.folder / "end").touch()
    eventually(lambda: "event loop free again" in home.log(), told=home.said)
    engine.accept(symbol="BTCUSDT.P", direction="short", size="-50/100", price="50000")
    engine.until_position("BTCUSDT", "-0.09")
    (text,) = eventually(lambda: stalls(home.state), told=home.said)
    assert "by plugin sleepy (te-test-sleepy): Sleepy.run, " in text
    assert home.log().count("event loop blocked") == home.log().count("event loop free again") == 1


def stalls(state: Path) -> list[str]:
    """Return the texts of the journal's events of that kind."""
    with closing(sqlite3.connect(f"{(state / 'journal.sqlite3').as_uri()}?mode=ro", uri=True)) as journal:
        return [text for (text,) in journal.execute("SELECT text FROM events WHERE kind = 'stall'")]


def test_after_a_stopped_process_no_plugin_is_named(engine: EngineProcess) -> None:
    engine.process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)  # a process can only be stopped in real time
    engine.process.send_signal(signal.SIGCONT)
    engine.accept(symbol="BTCUSDT.P", direction="long", size="50/100", price="50000")
    engine.until_position("BTCUSDT", "0.09")
    assert "event loop blocked" not in engine.home.log()
