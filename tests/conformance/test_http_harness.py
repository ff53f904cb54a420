"""The kit's HTTP emulator leaves nothing open."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from aiohttp import web

from te_core.testing.http_harness import HOST, TIMEOUT, HttpEmulator

pytestmark = pytest.mark.real_clock


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"], ids=["silent", "a request"])
def test_a_connection_made_as_the_emulator_stops_is_closed(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    unclosed: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: unclosed.append(str(found.exc_value)))
    emulator = HttpEmulator(web.Application)
    emulator.start()
    loop, busy = emulator.thread.loop, threading.Event()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        submitted = asyncio.run_coroutine_threadsafe(work, loop)
        busy.set()  # the loop finds the connection and the stop in one iteration
        return submitted.result(TIMEOUT)

    loop.call_soon_threadsafe(busy.wait)
    monkeypatch.setattr(emulator.thread, "run", run)
    with socket.create_connection((HOST, emulator.port)) as client:
        client.sendall(sent)
        emulator.stop()
    del emulator
    gc.collect()
    assert unclosed == []
