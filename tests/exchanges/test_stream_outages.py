"""Streams that stay broken for hours, with shortened pauses: nothing leaks, and the outage is reported once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.testing.stream_recorder import StreamRecorder, watching
from te_emulators.blofin import streams as blofin
from te_emulators.conformance import EmulatedHarness
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.wire.server import WireServer
from te_emulators.wire.stream import Stream
from te_exchange_ccxt.streams import account_streams
from tests.exchanges.trading import PLUGINS, spec_of

pytestmark = pytest.mark.real_clock

ATTEMPTS = 30


class Following:
    """An account with streams at an emulator."""

    def __init__(self, venue: EmulatedHarness, account: Any, seen: StreamRecorder) -> None:
        self.venue = venue
        self.account = account
        self.seen = seen

    @property
    def server(self) -> WireServer:
        return self.venue.server

    @property
    def client(self) -> Any:
        return self.account.inner._connection.exchange

    @property
    def kinds(self) -> int:
        """The number of feeds."""
        return len(self.account.inner._adapter.streamed)

    def live(self) -> bool:
        """Return whether every feed is up."""
        return len(self.seen.live) == self.kinds

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not done():
                await asyncio.sleep(0.01)


@pytest.fixture
def told() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten pauses from seconds to milliseconds."""
    monkeypatch.setattr(account_streams, "FIRST_PAUSE", 0.005)
    monkeypatch.setattr(account_streams, "LAST_PAUSE", 0.03)
    monkeypatch.setattr(account_streams, "TICK", 0.02)
    monkeypatch.setattr(account_streams, "REFUSAL_GRACE", 0.05)
    monkeypatch.setattr(blofin, "BETWEEN_CONNECTIONS", 0.0)


@asynccontextmanager
async def following(exchange: str, folder: Path) -> AsyncIterator[Following]:
    venue = EmulatedHarness(exchange, spec_of(exchange), folder, options={"streams": True})
    account = venue.connect()
    try:
        await account.open()
        async with watching(account) as seen:
            found = Following(venue, account, seen)
            found.client.connect_cost = {}  # all connections
            await account.prices(["BTCUSDT"])
            await found.until(found.live)
            yield found
    finally:
        await account.close()


async def closed_at_once(stream: Stream) -> None:
    await asyncio.sleep(0.01)  # otherwise the client may count it as one that was never made
    stream.abort()


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("outage", ["not let in", "closed at once", "login refused"])
@pytest.mark.parametrize("exchange", sorted(PLUGINS))
async def test_streams_that_break_for_hours(
    exchange: str, outage: str, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if (exchange, outage) == ("kucoin", "login refused"):
        pytest.skip("its streams need no login")
    async with following(exchange, tmp_path) as found:
        counts, faults = found.server.exchange.counts, found.server.faults
        told.clear()
        counts.clear()
        asked, attempts = "connect", ATTEMPTS
        if outage == "not let in":
            faults.add(Fault(kind=FaultKind.SERVER_ERROR, route="connect", times=None))
            attempts = 4  # ccxt has pauses of its own between attempts, which double up to half a minute
        elif outage == "closed at once":
            monkeypatch.setattr(Stream, "run", closed_at_once)
        else:
            faults.add(Fault(kind=FaultKind.REJECTED, route="login", error="BadKey", times=None))
            asked = "login"
        found.server.abort_connections()
        await found.until(lambda: counts.requests[asked] >= attempts)
        assert len(found.client.clients) <= 2
        assert len(found.server.connections) <= 4, "of each kind one, and perhaps one that is being closed"
        assert found.account.inner._context.outages.failing_parts
        assert len(told) <= 1, told
        faults.clear()
        monkeypatch.undo()
        await found.until(found.live)
