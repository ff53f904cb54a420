"""The source against a server on loopback, and against the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from te_core.api import AuthError, NotReady
from te_core.testing.fakes import SourceRecorder
from te_core.testing.http_source_harness import HttpSourceHarness
from te_core.testing.source_conformance import SourceConformance
from te_core.testing.source_harness import GARBAGE, SourceHarness
from te_signals_feed.plugin import FeedOptions, FeedSource, parse, te_signal_sources

LONG = b'{"at": "2026-01-01T00:00:00Z", "depths": {"BTC": 0.5, "unmapped": 1}}'
SHORT = b'{"at": "2026-01-01T00:00:10Z", "depths": {"BTC": -0.1}}'


class Feed(FeedSource):
    """Reads from memory instead of an address."""

    responses: list[bytes]

    async def _fetch(self) -> bytes:
        return self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]


async def test_it_publishes_what_changed_and_nothing_older() -> None:
    engine = SourceRecorder()
    options = FeedOptions.model_validate({"url": "https://feed.example/depths"})
    source = Feed(engine.context(options, symbols={"BTC": "BTCUSDT"}))
    source.responses = [LONG, LONG, SHORT, LONG]
    running = asyncio.create_task(source.run())
    await asyncio.sleep(45)  # virtual: five reads, no waiting
    running.cancel()
    assert [signal.depth for signal in engine.published] == [Decimal("0.5"), Decimal("-0.1")]
    assert source.status() == {"reads": 5}


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b"{}",
        b'{"at": "2026-01-01T00:00:00", "depths": {}}',
        LONG.replace(b"0.5", b"1.5"),
        LONG.replace(b"0.5", b"null"),
    ],
)
def test_an_incomplete_response_is_not_an_opinion(content: bytes) -> None:
    with pytest.raises(NotReady):
        parse(content)


@asynccontextmanager
async def served(status: int) -> AsyncIterator[FeedSource]:
    async def respond(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer s3cret"
        return web.Response(status=status, body=LONG)

    site = web.Application()
    site.router.add_get("/depths", respond)
    async with TestServer(site) as server, ClientSession() as session:
        options = FeedOptions.model_validate({"url": str(server.make_url("/depths")), "token": "s3cret"})
        yield FeedSource(replace(SourceRecorder().context(options), http=lambda: session))


@pytest.mark.real_clock
@pytest.mark.parametrize(("status", "expected"), [(200, None), (401, AuthError), (503, NotReady)])
async def test_a_status_decides_what_the_engine_does(status: int, expected: type[Exception] | None) -> None:
    async with served(status) as source:
        if expected is None:
            assert await source._fetch() == LONG
        else:
            with pytest.raises(expected, match=str(status)):
                await source._fetch()


class FeedHarness(HttpSourceHarness):
    """A server that returns the newest depths to whoever has the token."""

    (spec,) = te_signal_sources()
    states_time = True
    calm = 45
    garbage = (*GARBAGE, b'{"at": "2026-01-01T00:00:00", "depths": {}}', LONG.replace(b"0.5", b"null"))
    body = '{"at": "2026-01-01T00:00:00Z", "depths": {}}'

    def application(self) -> web.Application:
        made = web.Application()
        made.router.add_get("/depths", self.respond)
        return made

    async def respond(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer s3cret-token"
        return web.Response(text=self.body)

    def options(self) -> Mapping[str, Any]:
        return {"url": f"{self.url}/depths", "token": "s3cret-token"}

    async def send(self, spelling: str, depth: Decimal, sent: datetime | None = None) -> None:
        at = (sent or self.clock.now()).isoformat()
        self.body = f'{{"at": "{at}", "depths": {{"{spelling}": {depth}}}}}'


@pytest.mark.wired_clock
class TestFeed(SourceConformance):
    def make_source(self, folder: Path) -> SourceHarness:
        return FeedHarness()
