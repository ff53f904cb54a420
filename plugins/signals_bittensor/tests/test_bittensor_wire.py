"""The real fetcher and feed against a validator on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from te_core.clock import SystemClock
from te_core.testing.fakes import SourceRecorder
from te_emulators.bittensor.network import MadeNetwork
from te_emulators.bittensor.server import BittensorServer, Faults, serving
from te_signals_bittensor.fetching import Fetcher, FetchFailed
from te_signals_bittensor.options import BittensorOptions
from te_signals_bittensor.payload import PayloadReader
from te_signals_bittensor.source import BittensorSource
from te_signals_bittensor.unpacking import UnusablePayload

pytestmark = pytest.mark.real_clock
NOW_MS = int(SystemClock().now().timestamp() * 1000)
LOOSE = {"min_trades": 3, "min_profitable_rate": 0.3, "max_drawdown_threshold": -1.0}


def made(miners: int = 50) -> MadeNetwork:
    pairs = ("BTCUSD", "ETHUSD", "SOLUSD")
    return MadeNetwork(miners=miners, seed=5, now_ms=NOW_MS, orders=120, pairs=pairs)


@asynccontextmanager
async def fetching(server: BittensorServer, **options: Any) -> AsyncIterator[Fetcher]:
    chosen = BittensorOptions.model_validate(
        {"url": f"{server.url}/miner-positions", "api_key": "K", **options}
    )
    async with aiohttp.ClientSession() as session:
        yield Fetcher(chosen, lambda: session)


async def test_the_key_is_sent_in_the_header_and_the_page_is_gzipped() -> None:
    async with serving(made()) as server, fetching(server) as fetcher:
        page = await fetcher.fetch()
        assert page is not None
        assert page.body[0][:2] == b"\x1f\x8b"
        assert page.date is not None
        assert len(PayloadReader().read(*page.body).miners) == 50


async def test_older_servers_get_the_key_in_the_body() -> None:
    async with serving(made(), auth_by="body") as server:
        async with fetching(server, auth="body") as fetcher:
            assert await fetcher.fetch() is not None
        async with fetching(server) as fetcher:
            with pytest.raises(FetchFailed, match="401"):
                await fetcher.fetch()


async def test_a_key_of_a_lower_tier_has_to_request_its_own() -> None:
    async with serving(made(), keys={"K": 30}) as server:
        async with fetching(server) as fetcher:
            with pytest.raises(FetchFailed, match="tier = 0, 30 or 50"):
                await fetcher.fetch()
        async with fetching(server, tier=30) as fetcher:
            page = await fetcher.fetch()
            assert page is not None
            assert len(PayloadReader().read(*page.body).miners) == 50


async def test_a_used_page_is_not_sent_again() -> None:
    async with serving(made(), etag=True) as server, fetching(server) as fetcher:
        page = await fetcher.fetch()
        assert page is not None
        assert await fetcher.fetch() is not None
        fetcher.mark_used(page)
        assert await fetcher.fetch() is None
        server.network.tick()
        server.refresh()
        assert await fetcher.fetch() is not None


@pytest.mark.parametrize(
    ("faults", "reason", "retry_after"),
    [
        (Faults(status=429, retry_after="7"), "429", 7),
        (Faults(status=403, text='{"error":"Unauthorized: Rate limited"}'), "Rate limited", None),
        (Faults(status=500, text="K is the key"), "… is the key", None),
        (Faults(status=302), "302", None),
        (Faults(keep=0.5), "ClientPayloadError", None),
    ],
)
async def test_refusals_and_broken_responses_say_what_failed(
    faults: Faults, reason: str, retry_after: float | None
) -> None:
    async with serving(made(), faults=faults) as server, fetching(server) as fetcher:
        with pytest.raises(FetchFailed, match=reason) as failed:
            await fetcher.fetch()
        assert failed.value.retry_after == retry_after


async def test_a_response_that_takes_too_long_fails() -> None:
    async with serving(made(), faults=Faults(trickle=0.2)) as server, fetching(server, timeout=1) as fetcher:
        with pytest.raises(FetchFailed, match="within 1 s"):
            await fetcher.fetch()


async def test_a_truncated_body_is_unusable() -> None:
    async with serving(made()) as server, fetching(server) as fetcher:
        page = await fetcher.fetch()
        assert page is not None
        whole = b"".join(page.body)
        server.faults = Faults(body=whole[: len(whole) // 2])
        cut = await fetcher.fetch()
        assert cut is not None
        with pytest.raises(UnusablePayload):
            PayloadReader().read(*cut.body)


async def test_a_refused_connection_is_a_failed_fetch() -> None:
    with socket.socket() as held:  # bound, so that no other process gets the port
        held.bind(("127.0.0.1", 0))
        async with fetching(BittensorServer(network=made(), port=held.getsockname()[1])) as fetcher:
            with pytest.raises(FetchFailed, match="ClientConnectorError"):
                await fetcher.fetch()


# -- the feed


class Station:
    """A source with REST and feed, its recorder, and a way to wait for a condition."""

    def __init__(self, server: BittensorServer, session: aiohttp.ClientSession, **options: Any) -> None:
        self.recorder = SourceRecorder(clock=SystemClock())
        chosen = BittensorOptions.model_validate(
            {
                "url": f"{server.url}/miner-positions",
                "feed_url": server.ws_url,
                "api_key": "K",
                "interval": "1h",
                "scoring": LOOSE,
                **options,
            }
        )
        context = self.recorder.context(chosen, symbols={"BTCUSD": "BTCUSDT"}, name="sn8", state_dir=Path())
        self.source = BittensorSource(replace(context, http=lambda: session))

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not done():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running(server: BittensorServer, **options: Any) -> AsyncIterator[Station]:
    async with aiohttp.ClientSession() as session:
        station = Station(server, session, **options)
        task = asyncio.create_task(station.source.run())
        try:
            await station.until(lambda: station.source.status()["feed_connects"] == 1)
            await station.until(lambda: server.counts["requests"] >= 2)
            await station.until(lambda: "BTCUSDT" in station.recorder.current)
            yield station
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def holder(station: Station) -> str:
    name: str = station.recorder.current["BTCUSDT"].detail["contributors"][0]["name"]
    return name


@pytest.mark.parametrize("way", ["header", "message"])
async def test_the_feed_reports_a_closing_miner_at_once(way: str) -> None:
    async with serving(made(), feed_auth=way) as server, running(server, feed_auth=way) as station:
        requested = server.counts["requests"]
        name = holder(station)
        before = station.recorder.current["BTCUSDT"].depth
        await server.announce(server.network.close(name, "BTCUSD"), times=3)
        await station.until(lambda: station.recorder.current["BTCUSDT"].depth != before)
        await station.until(lambda: station.source.status()["feed_messages"] == 3)
        assert station.source.status()["feed_duplicates"] == 2
        assert server.counts["requests"] == requested


async def test_a_gap_or_a_new_connection_requests_a_snapshot() -> None:
    async with serving(made()) as server, running(server) as station:
        requested = server.counts["requests"]
        name = holder(station)
        before = station.recorder.current["BTCUSDT"].depth
        await server.announce(server.network.open(name, "ETHUSD", 0.1))
        await station.until(lambda: station.source.status()["feed_messages"] == 1)
        await server.announce(server.network.close(name, "BTCUSD"), skip=True)
        server.refresh()
        await server.announce(server.network.open(name, "SOLUSD", 0.1))
        await station.until(lambda: station.recorder.current["BTCUSDT"].depth != before)
        assert station.source.status()["feed_gaps"] == 1
        assert server.counts["requests"] == requested + 1
        await server.drop_feeds()
        await station.until(lambda: station.source.status()["feed_connects"] == 2)
        await station.until(lambda: server.counts["requests"] == requested + 2)


async def test_an_older_snapshot_does_not_reopen_a_position() -> None:
    async with serving(made()) as server, running(server) as station:
        server._page(100)  # the file as it was before
        name = holder(station)
        before = station.recorder.current["BTCUSDT"].depth
        await server.announce(server.network.close(name, "BTCUSD"))
        await station.until(lambda: station.recorder.current["BTCUSDT"].depth != before)
        after = station.recorder.current["BTCUSDT"].depth
        station.source._stamp = replace(station.source._stamp, payload="another")  # type: ignore[type-var]  # not None here
        await station.source.cycle()
        assert station.recorder.current["BTCUSDT"].depth == after
