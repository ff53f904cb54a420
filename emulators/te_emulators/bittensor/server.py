"""The validator's REST endpoint and WebSocket feed on loopback, with configurable faults."""

from __future__ import annotations

import asyncio
import copy
import gzip
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import WSCloseCode, WSMsgType, web

from te_emulators.bittensor.network import DAY_MS, MadeNetwork

TIERS = (0, 30, 50, 100)


@dataclass(kw_only=True)
class Faults:
    """The faults of every request until they are reset."""

    status: int = 0
    """Returned instead of data."""
    retry_after: str | None = None
    text: str = '{"error": "made up"}'
    delay: float = 0.0
    """Seconds before it."""
    keep: float = 1.0
    """Share of the bytes that are sent before the connection breaks."""
    body: bytes | None = None
    """Sent instead."""
    trickle: float = 0.0
    """Seconds between its 20 pieces."""


@dataclass(kw_only=True)
class BittensorServer:
    """A validator's server for one network."""

    network: MadeNetwork
    keys: dict[str, int] = field(default_factory=lambda: {"K": 100})
    """The tier of each key."""
    auth_by: Literal["header", "body"] = "header"
    """Where keys are accepted."""
    feed_auth: Literal["header", "message"] = "header"
    etag: bool = False
    """Whether pages have one; the stock server's do not."""
    tiered: bool = True
    """Whether ``/trade-pairs`` has tiers."""
    missing: frozenset[str] = frozenset()
    """Routes besides positions that this server lacks, by their first word (``eliminations``)."""
    faults: Faults = field(default_factory=Faults)
    route_faults: dict[str, int] = field(default_factory=dict)
    """The status that such a route returns instead."""
    counts: Counter[str] = field(default_factory=Counter)
    port: int = 0

    @property
    def url(self) -> str:
        """Address of the endpoint's server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Address of the feed."""
        return f"ws://127.0.0.1:{self.port}/feed"

    async def start(self, port: int = 0) -> None:
        """Listen; port 0 chooses a free one."""
        self._sockets: dict[web.WebSocketResponse, int] = {}
        self._pages: dict[int, bytes] = {}
        application = web.Application()
        application.router.add_get("/miner-positions", self._positions)
        application.router.add_get("/feed", self._feed)
        application.router.add_get("/trade-pairs", self._trade_pairs)
        for path in ("/collateral/", "/eliminations", "/challenge-period/{hotkey}"):
            application.router.add_get(path, self._with_key)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close everything."""
        await self.drop_feeds()
        await self._runner.cleanup()

    def refresh(self) -> None:
        """Write the files again, as the server does every 15 or 60 s."""
        self._pages.clear()

    # --- REST -------------------------------------------------------------------------------------------------------

    async def _positions(self, request: web.Request) -> web.StreamResponse:
        self.counts["requests"] += 1
        await asyncio.sleep(self.faults.delay)
        if self.faults.status:
            headers = {"Retry-After": self.faults.retry_after} if self.faults.retry_after else {}
            return web.Response(
                status=self.faults.status,
                text=self.faults.text,
                content_type="application/json",
                headers=headers,
            )
        try:
            tier = int(request.query.get("tier", "100"))
        except ValueError:
            tier = -1
        if tier not in TIERS:
            return _error(400, "Invalid tier value. Allowed values are 0, 30, 50, or 100")
        allowed = self.keys.get(await self._key(request) or "")
        if allowed is None:
            return _error(401, "Unauthorized access")
        if allowed < tier:
            return _error(403, f"Your API key does not have access to tier {tier} data")
        page = self.faults.body if self.faults.body is not None else self._page(tier)
        return await self._send(request, page)

    async def _trade_pairs(self, request: web.Request) -> web.Response:
        """Answer without a key, as upstream does."""
        return self._fault(request) or web.json_response(self.network.trade_pairs(tiered=self.tiered))

    async def _with_key(self, request: web.Request) -> web.Response:
        if (fault := self._fault(request)) is not None:
            return fault
        if await self._key(request) not in self.keys:
            return _error(401, "Unauthorized access")
        if request.path == "/eliminations":
            return web.json_response({"eliminations": self.network.eliminations})
        if request.path == "/collateral/":
            return web.json_response(self.network.collateral())
        hotkey = request.match_info["hotkey"]
        if hotkey not in self.network.miners:
            return _error(404, f"Miner ID {hotkey} not found")
        stage = {"bucket": self.network.bucket(hotkey), "start_time_ms": 1}
        return web.json_response({"status": "success", "hotkey": hotkey, "challenge_period": stage})

    def _fault(self, request: web.Request) -> web.Response | None:
        name = request.path.split("/")[1]
        self.counts[name] += 1
        if name in self.missing:
            return web.Response(status=404, text="<!doctype html><title>404 Not Found</title>")
        if name in self.route_faults:
            return _error(self.route_faults[name], "made up")
        return None

    async def _key(self, request: web.Request) -> str | None:
        if self.auth_by == "header":
            return request.headers.get("Authorization", "").removeprefix("Bearer ") or None
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            return None
        return body.get("api_key") if isinstance(body, dict) else None

    def _page(self, tier: int) -> bytes:
        if tier not in self._pages:
            tree = self._delayed(tier)
            self._pages[tier] = gzip.compress(json.dumps(tree).encode(), compresslevel=1, mtime=0)
        return self._pages[tier]

    def _delayed(self, tier: int) -> dict[str, Any]:
        """Leave a tier's delayed positions out of the last 24 h, as the server does by their ids."""
        if tier == 100:
            return self.network.payload()
        before = self.network.now_ms - DAY_MS
        tree = copy.deepcopy(self.network.payload())
        for miner in tree.values():
            miner["tier"] = tier
            miner["positions"] = [
                position
                for position in miner["positions"]
                if _bucket(position["position_uuid"]) < tier or (position["close_ms"] or 1 << 62) < before
            ]
        return tree

    async def _send(self, request: web.Request, page: bytes) -> web.StreamResponse:
        headers = {"Content-Type": "application/json"}
        if page[:2] == b"\x1f\x8b":
            headers["Content-Encoding"] = "gzip"
        if self.etag:
            headers["ETag"] = f'"{hashlib.sha256(page).hexdigest()[:16]}"'
            if request.headers.get("If-None-Match") == headers["ETag"]:
                self.counts["not_modified"] += 1
                return web.Response(status=304, headers={"ETag": headers["ETag"]})
        answer = web.StreamResponse(headers=headers)
        answer.content_length = len(page)
        await answer.prepare(request)
        part = max(1, len(page) // 20 + 1) if self.faults.trickle else len(page) or 1
        end = int(len(page) * self.faults.keep)
        for start in range(0, end, part):
            await answer.write(page[start : min(end, start + part)])
            await asyncio.sleep(self.faults.trickle)
        if end < len(page) and request.transport is not None:
            request.transport.abort()
            return answer
        await answer.write_eof()
        self.counts["sent"] += 1
        return answer

    # --- WebSocket ----------------------------------------------------------------------------------------------------

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.feed_auth == "header" and self.keys.get(key, -1) < 100:
            return _error(401, "Unauthorized access")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self.feed_auth == "message" and not await self._admit(socket):
            await socket.close()
            return socket
        self.counts["connects"] += 1
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            asked = json.loads(message.data)
            if asked.get("type") == "subscribe":
                self._sockets[socket] = 0
                await socket.send_json(
                    {"type": "subscription_status", "status": "success", "all": True, "action": "subscribe"}
                )
        self._sockets.pop(socket, None)
        return socket

    async def _admit(self, socket: web.WebSocketResponse) -> bool:
        first = await socket.receive_json()
        tier = self.keys.get(first.get("api_key", ""), -1)
        if tier < 100:
            await socket.send_json({"status": "error", "message": "refused", "code": "INSUFFICIENT_TIER"})
            return False
        await socket.send_json({"status": "success", "message": "ok", "current_sequence": -1, "tier": tier})
        return True

    async def announce(self, position: dict[str, Any], *, skip: bool = False, times: int = 1) -> None:
        """Send a position to every subscriber; ``skip`` drops it, which leaves a gap."""
        shown = copy.deepcopy(position)
        shown["close_ms"] = shown["close_ms"] or None
        for socket, sequence in list(self._sockets.items()):
            self._sockets[socket] = sequence + 1
            for _ in range(0 if skip else times):
                await socket.send_json(
                    {"sequence": sequence, "timestamp": self.network.now_ms, "data": {"position": shown}}
                )

    async def drop_feeds(self) -> None:
        """Close every feed."""
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)
        self._sockets.clear()


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _bucket(uuid: str) -> int:
    return int(hashlib.sha256(uuid.encode()).hexdigest(), 16) % 100


@asynccontextmanager
async def serving(network: MadeNetwork, **options: Any) -> AsyncIterator[BittensorServer]:
    """Run a server for the duration of the block."""
    server = BittensorServer(network=network, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
