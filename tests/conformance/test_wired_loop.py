"""The loop of ``wired_clock`` tests: real sockets, and hours that pass at once."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiohttp import ClientSession, ClientTimeout, web
from aiohttp.test_utils import TestServer

from te_core.testing import wired_loop
from te_core.testing.virtual_clock import VirtualClock

HOUR = 3600.0


def served(delay: float) -> TestServer:
    async def respond(_: web.Request) -> web.Response:
        await asyncio.sleep(delay)
        return web.Response(text="it answers")

    site = web.Application()
    site.router.add_get("/", respond)
    return TestServer(site)


@pytest.mark.wired_clock
async def test_an_hour_between_two_requests_passes_at_once() -> None:
    clock = VirtualClock()
    async with served(0) as server, ClientSession() as session:
        for _ in range(3):
            async with session.get(server.make_url("/")) as response:
                assert await response.text() == "it answers"
            await asyncio.sleep(HOUR)
    assert 3 * HOUR <= clock.monotonic() < 3 * HOUR + 1


@pytest.mark.wired_clock
async def test_a_time_limit_counts_the_time_that_a_response_takes() -> None:
    async with served(9) as server, ClientSession(timeout=ClientTimeout(total=10)) as session:
        response = await session.get(server.make_url("/"))
        assert await response.text() == "it answers"
    async with served(11) as server, ClientSession(timeout=ClientTimeout(total=10)) as session:
        with pytest.raises(TimeoutError):
            await session.get(server.make_url("/"))


@pytest.mark.wired_clock
async def test_time_passes_while_a_thread_works() -> None:
    began = asyncio.get_running_loop().time()
    await asyncio.to_thread(time.sleep, 0.01)
    assert 0.009 < asyncio.get_running_loop().time() - began < HOUR


def test_what_waits_for_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wired_loop, "FOR_REAL", 0.01)
    with pytest.raises(wired_loop.WiredDeadlock):
        wired_loop.run(asyncio.Event().wait())


def test_what_never_pauses_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    monkeypatch.setattr(wired_loop, "TURNS", 1000)
    with pytest.raises(wired_loop.WiredLivelock):
        wired_loop.run(spin())
