"""A bare Bybit client, for details that real clients hide."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from te_emulators.bybit.signature import sign, sign_stream
from te_emulators.wire.server import WireServer


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.text)

    @property
    def code(self) -> int:
        """Return Bybit's code."""
        return int(self.json["retCode"])


@dataclass
class BybitClient:
    """Signs and sends requests."""

    session: aiohttp.ClientSession
    server: WireServer
    key: str = "K"
    secret: str = "S"
    timestamp: int | None = None
    """In milliseconds, instead of the current one."""

    async def get(self, path: str, **parameters: object) -> Answer:
        """Send a signed GET."""
        query = urlencode(parameters)
        headers = self._headers(query.encode())
        async with self.session.get(f"{self.server.url}{path}?{query}", headers=headers) as answer:
            return Answer(answer.status, await answer.text(), answer.headers)

    async def post(self, path: str, **body: object) -> Answer:
        """Send a signed POST."""
        data = json.dumps(body).encode()
        headers = self._headers(data) | {"Content-Type": "application/json"}
        async with self.session.post(self.server.url + path, data=data, headers=headers) as answer:
            return Answer(answer.status, await answer.text(), answer.headers)

    async def buy(self, link: str, qty: str = "0.01", **more: object) -> Answer:
        """Send a market order, by default for 0.01 BTC."""
        order = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market", "qty": qty}
        return await self.post("/v5/order/create", **(order | {"orderLinkId": link} | more))

    def _headers(self, payload: bytes) -> dict[str, str]:
        timestamp = str(self.timestamp or self.server.exchange.clock.ms())
        return {
            "X-BAPI-API-KEY": self.key,
            "X-BAPI-TIMESTAMP": timestamp,
            "X-BAPI-RECV-WINDOW": "5000",
            "X-BAPI-SIGN": sign(
                self.secret, key=self.key, timestamp=timestamp, window="5000", payload=payload
            ),
        }


@asynccontextmanager
async def bybit_client(server: WireServer, **parts: Any) -> AsyncIterator[BybitClient]:
    """Open a client, and close it afterwards."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        yield BybitClient(session, server, **parts)


@asynccontextmanager
async def bybit_socket(
    server: WireServer, path: str, *topics: str, login: bool = True
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Open a stream, log in and subscribe."""
    async with aiohttp.ClientSession() as session, session.ws_connect(server.ws_url + path) as socket:
        if login:
            expires = str(server.exchange.clock.ms() + 10_000)
            await socket.send_json({"op": "auth", "args": ["K", expires, sign_stream("S", expires=expires)]})
            answer = await socket.receive_json()
            assert answer.get("success", answer.get("retCode") == 0), answer
        if topics:
            await socket.send_json({"op": "subscribe", "req_id": "1", "args": list(topics)})
            assert (await socket.receive_json())["success"]
        yield socket
