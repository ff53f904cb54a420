"""A client of the emulated MEXC that signs by hand, for tests of the wire itself."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiohttp

from te_emulators.core.account import Account
from te_emulators.mexc.server import MexcServer
from te_emulators.venues import running

PRIVATE = "/api/v1/private"
PUBLIC = "/api/v1/contract"


@dataclass
class Answer:
    """``code`` is the envelope's, ``data`` its content, ``text`` its message."""

    status: int
    body: dict[str, Any]

    @property
    def code(self) -> int:
        """Return MEXC's code."""
        return int(self.body["code"])

    @property
    def data(self) -> Any:
        """Return the content of the envelope."""
        return self.body["data"]

    @property
    def text(self) -> str:
        """Return the message."""
        return str(self.body["message"])


class Client:
    """Key K of the account "main"; parts of the signature may be replaced so that they are refused."""

    def __init__(self, emulator: MexcServer, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        self.key, self.secret = "K", "S"
        self.headers: dict[str, str] = {}
        """Added to those of the signature."""

    @property
    def account(self) -> Account:
        """Return the emulator's account."""
        return self.emulator.exchange.accounts["main"]

    def signed(self, payload: str) -> dict[str, str]:
        """Return the headers of a signed request."""
        timestamp = str(int(time.time() * 1000))
        text = self.key + timestamp + payload
        signature = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return {"ApiKey": self.key, "Request-Time": timestamp, "Signature": signature}

    async def get(self, path: str, query: str = "", *, signs: str | None = None) -> Answer:
        """``signs`` is signed instead of the query."""
        headers = self.signed(query if signs is None else signs) | self.headers
        url = self.emulator.url + path + (f"?{query}" if query else "")
        async with self.session.get(url, headers=headers) as response:
            return Answer(response.status, json.loads(await response.read()))

    async def post(self, path: str, body: object, *, signs: str | None = None) -> Answer:
        """Send a signed POST. ``signs``: the text to sign instead of the body."""
        text = json.dumps(body)
        headers = {"Content-Type": "application/json"} | self.signed(text if signs is None else signs)
        async with self.session.post(
            self.emulator.url + path, data=text, headers=headers | self.headers
        ) as response:
            return Answer(response.status, json.loads(await response.read()))

    async def order(self, **parts: object) -> Answer:
        """Return an order, by default a long of 10 isolated BTC contracts at leverage 5 (None leaves a field out)."""
        body = {"symbol": "BTC_USDT", "vol": 10, "side": 1, "type": 5, "openType": 1, "leverage": 5} | parts
        sent = {name: value for name, value in body.items() if value is not None}
        return await self.post(f"{PRIVATE}/order/create", sent)

    async def positions(self) -> list[dict[str, Any]]:
        """Return the open positions."""
        return list((await self.get(f"{PRIVATE}/position/open_positions")).data)


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[Client]:
    """Run an emulator with a client."""
    async with running("mexc", **options) as emulator, aiohttp.ClientSession() as session:
        yield Client(cast("MexcServer", emulator), session)


class Socket:
    """The one stream."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self) -> dict[str, Any]:
        """Return the next message."""
        async with asyncio.timeout(20):
            return dict(await self.socket.receive_json())

    async def until(self, channel: str) -> dict[str, Any]:
        """Return the next message of a channel."""
        while (message := await self.next())["channel"] != channel:
            pass
        return message

    async def send(self, method: str, **param: object) -> None:
        """Send a message."""
        await self.socket.send_json({"method": method, "param": param})

    async def login(self, client: Client) -> dict[str, Any]:
        """Log in; return the answer."""
        signed = client.signed("")
        await self.send(
            "login",
            apiKey=signed["ApiKey"],
            reqTime=signed["Request-Time"],
            signature=signed["Signature"],
        )
        return await self.next()


@asynccontextmanager
async def stream(client: Client) -> AsyncIterator[Socket]:
    """A stream, not logged in."""
    async with client.session.ws_connect(client.emulator.ws_url + "/edge") as socket:
        yield Socket(socket)
