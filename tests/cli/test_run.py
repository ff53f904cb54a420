"""Starting, stopping and being killed, as processes."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from te_core.app.announcement import Announcement
from te_core.app.summary import until_connected
from te_core.reporting.queries import Queries


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_engine_before_its_own_deadline(folder: Any, started: Any, number: int) -> None:
    engine = started(folder)
    announced = Announcement.read(folder.state)
    assert announced is not None
    parts = urlsplit(announced.public)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"404" in idle.recv(4096)
        assert engine.stop(number) == 0
    assert "stopped" in engine.lines_until("stopped")
    assert "did not stop within" not in engine.log
    assert "Traceback" not in engine.log
    assert Announcement.read(folder.state) is None


def test_after_a_kill_the_position_is_kept_and_nothing_is_sent(folder: Any, started: Any) -> None:
    engine = started(folder)
    folder.te(
        "signal", "send", "--symbol", "ETHUSDT.P", "--direction", "long", "--size", "1", "--price", "2500"
    )
    while not folder.json("status")["accounts"]["paper"]["targets"].get("ETHUSDT", {}).get("confirmed"):
        pass
    assert engine.stop(signal.SIGKILL) == -signal.SIGKILL
    assert "reading the journal" in folder.te("status").stderr
    again = started(folder)
    account = folder.json("status")["accounts"]["paper"]
    assert account["positions"]["ETHUSDT"]["size"] == "2"
    assert account["targets"]["ETHUSDT"]["revision"] == 1
    assert "goal" not in again.log
    assert again.stop() == 0


class Starting(Queries):
    """Queries of an engine whose account is read after a while, or fails, or never answers."""

    def __init__(self, *, after: float, equity: str | None, status: str) -> None:
        self._answer = after, {"equity": equity, "status": status}

    def state(self) -> dict[str, Any]:
        after, account = self._answer
        waiting = asyncio.get_running_loop().time() < after
        return {"accounts": {"a": {"equity": None, "status": "starting"} if waiting else account}}


@pytest.mark.parametrize(
    ("queries", "takes"),
    [
        (Starting(after=5, equity="100", status="running"), 5),
        (Starting(after=7, equity=None, status="waiting"), 7),
        (Starting(after=99, equity="100", status="running"), 30),
    ],
)
async def test_garbage_is_collected_once_accounts_opened_or_failed(queries: Starting, takes: float) -> None:
    """The client library and the instruments of an exchange come with its first account."""
    await until_connected(queries, 30)
    assert asyncio.get_running_loop().time() == pytest.approx(takes, abs=0.05)
