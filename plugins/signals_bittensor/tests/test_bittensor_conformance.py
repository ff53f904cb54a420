"""The suite for sources, with a validator on loopback whose miners all hold the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from te_core.testing.http_source_harness import HttpSourceHarness
from te_core.testing.source_conformance import SourceConformance
from te_core.testing.source_harness import GARBAGE, SourceAbility, SourceHarness
from te_core.testing.virtual_clock import START
from te_signals_bittensor.plugin import te_signal_sources
from tests.bittensor.records import closed, held, history, hotkey

KEY = "key-of-the-validator"
SYMBOLS = {"BTCUSD": "BTCUSDT", "ETHUSD": "ETHUSDT"}
LIMIT = 0.5
MINERS = (1, 2, 3)
GAPS = [3_600_000]


class ValidatorHarness(HttpSourceHarness):
    """Three miners with a record of profit, whose open positions are the depth that is stated."""

    (spec,) = te_signal_sources()
    symbols = SYMBOLS
    unmapped = "SOLUSD"
    states_time = True
    excessive = None
    """A miner's position beyond its limit counts as a full one."""
    garbage = (*GARBAGE, b'{"5C": {"positions": 1}}', b'{"5C": {"positions": [{"trade_pair": null}]}}')

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, list[tuple[Decimal, int]]] = {}
        """What was stated for each asset, and when (ms)."""
        self.modified = START - timedelta(hours=1)

    def application(self) -> web.Application:
        made = web.Application()
        made.router.add_get("/miner-positions", self.positions)
        return made

    def options(self) -> Mapping[str, Any]:
        limits = dict.fromkeys((*SYMBOLS, self.unmapped), LIMIT)
        return {"url": f"{self.url}/miner-positions", "api_key": KEY, "max_leverage": limits}

    async def positions(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": "Unauthorized access"}, status=401)
        modified = {"Last-Modified": format_datetime(self.modified, usegmt=True)}
        since = request.if_modified_since
        if since is not None and self.modified <= since <= self.clock.now():
            return web.Response(status=304, headers=modified)
        return web.json_response(self.page(), headers=modified)

    def page(self) -> dict[str, Any]:
        made = {}
        for number in MINERS:
            record = history(f"{number}-", [1.01] * 8 + [0.995] * 2, 0.0, gaps=GAPS)
            record |= {"thirty_day_returns": 1.2, "all_time_returns": 1.2}
            record["positions"][-1:] = self.positions_of(number)
            made[hotkey(number)] = record
        return made

    def positions_of(self, number: int) -> list[dict[str, Any]]:
        """Return what a miner holds: a new position after each change, and the ones before it closed."""
        found = []
        for asset, changes in self.held.items():
            pair = [asset, f"{asset[:3]}/USD", 0.003, 0.01, LIMIT]
            for index, (depth, at_ms) in enumerate(changes):
                name = f"{number}-{asset}-{index}"
                more: dict[str, Any] = {"trade_pair": pair, "open_ms": at_ms, "miner_hotkey": hotkey(number)}
                if index + 1 < len(changes):
                    found.append(closed(name, 1.0001, lasts=1, **more))
                elif depth:
                    found.append(held(name, LIMIT * float(depth), **more))
        return found

    async def send(self, spelling: str, depth: Decimal, sent: datetime | None = None) -> None:
        self.modified = (sent or self.clock.now()).replace(microsecond=0)
        self.held.setdefault(spelling, []).append((depth, int(1000 * self.modified.timestamp())))


@pytest.mark.wired_clock
class TestBittensor(SourceConformance):
    def make_source(self, folder: Path) -> SourceHarness:
        return ValidatorHarness()


class FeedHarness(ValidatorHarness):
    """The same, and each change is announced at once over the feed. A snapshot is fetched once an hour."""

    states_time = False
    """A snapshot may be older than what the feed said before."""

    def __init__(self) -> None:
        super().__init__()
        self.sockets: dict[web.WebSocketResponse, int] = {}

    def application(self) -> web.Application:
        made = super().application()
        made.router.add_get("/feed", self.follow)
        return made

    def options(self) -> Mapping[str, Any]:
        feed = f"{self.url.replace('http', 'ws')}/feed"
        return {**super().options(), "feed_url": feed, "interval": "1h", "backoff": "1m"}

    async def follow(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets[socket] = 0
        async for _ in socket:
            pass
        del self.sockets[socket]
        return socket

    async def send(self, spelling: str, depth: Decimal, sent: datetime | None = None) -> None:
        await super().send(spelling, depth, sent)
        changed = [one for number in MINERS for one in self.positions_of(number)]
        at_ms = int(1000 * self.modified.timestamp())
        messages = [{"timestamp": at_ms, "data": {"position": one}} for one in changed]
        await self.tell(json.dumps({"type": "batch", "messages": messages}))

    async def tell(self, text: str) -> None:
        for socket in tuple(self.sockets):
            await socket.send_str(text)

    async def fail(self, ability: SourceAbility, body: bytes = b"") -> None:
        await super().fail(ability, body)
        if ability is SourceAbility.SEND_GARBAGE:
            await self.tell(body.decode(errors="replace"))
        for socket in tuple(self.sockets):
            await socket.close()


@pytest.mark.wired_clock
class TestBittensorFeed(SourceConformance):
    timeout = 7200

    def make_source(self, folder: Path) -> SourceHarness:
        return FeedHarness()
