"""A client of the emulated KuCoin that signs by hand, for tests of the wire itself."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiohttp

from te_emulators.kucoin.server import KucoinServer
from te_emulators.venues import running


@dataclass
class Answer:
    """``code`` is the envelope's, ``data`` its content, ``text`` its message."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def code(self) -> str:
        """Return KuCoin's code."""
        return str(self.body["code"])

    @property
    def data(self) -> Any:
        """Return the content of the envelope."""
        return self.body["data"]

    @property
    def text(self) -> str:
        """Return the message."""
        return str(self.body["msg"])


class Client:
    """Key K of the account "main"; parts of the signature may be replaced so that they are refused."""

    def __init__(self, emulator: KucoinServer, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        self.key, self.secret, self.passphrase = "K", "S", "P"

    def signed(self, method: str, path: str, body: str) -> dict[str, str]:
        """Return the headers of a signed request."""
        timestamp = str(int(time.time() * 1000))
        return {
            "KC-API-KEY": self.key,
            "KC-API-SIGN": self._digest(timestamp + method + path + body),
            "KC-API-TIMESTAMP": timestamp,
            "KC-API-PASSPHRASE": self._digest(self.passphrase),
            "KC-API-KEY-VERSION": "2",
            "Content-Type": "application/json",
        }

    def _digest(self, text: str) -> str:
        return base64.b64encode(
            hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).digest()
        ).decode()

    async def ask(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None
    ) -> Answer:
        """``headers`` replace those of the signature; an empty value leaves one out."""
        text = json.dumps(body) if body is not None else ""
        sent = {**self.signed(method, path, text), **(headers or {})}
        sent = {name: value for name, value in sent.items() if value}
        async with self.session.request(
            method, self.emulator.url + path, data=text or None, headers=sent
        ) as response:
            return Answer(response.status, json.loads(await response.read()), dict(response.headers))

    async def order(self, **parts: object) -> Answer:
        """Send a market order, by default for one XBTUSDTM contract at leverage 5 (None leaves a field out)."""
        body = {
            "clientOid": "c1",
            "symbol": "XBTUSDTM",
            "side": "buy",
            "type": "market",
            "size": 1,
            "leverage": 5,
        }
        body |= {"marginMode": "ISOLATED"} | parts
        return await self.ask("POST", "/api/v1/orders", {k: v for k, v in body.items() if v is not None})


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[Client]:
    """Run an emulator with a client."""
    async with running("kucoin", **options) as emulator, aiohttp.ClientSession() as session:
        yield Client(cast("KucoinServer", emulator), session)


class Socket:
    """A stream opened with a token."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self) -> dict[str, Any]:
        """Return the next message."""
        async with asyncio.timeout(20):
            return dict(await self.socket.receive_json())

    async def until(self, **parts: object) -> dict[str, Any]:
        """Return the next message that contains those parts."""
        while True:
            message = await self.next()
            if all(message.get(name) == value for name, value in parts.items()):
                return message

    async def send(self, **message: object) -> None:
        """Send a message."""
        await self.socket.send_json(message)

    async def subscribe(self, topic: str, *, private: bool = False) -> dict[str, Any]:
        """Subscribe to a topic; return the answer."""
        await self.send(id="7", type="subscribe", topic=topic, response=True, privateChannel=private)
        return await self.until(id="7")


@asynccontextmanager
async def stream(client: Client, kind: str = "private", token: str = "") -> AsyncIterator[Socket]:
    """Open a stream and read its greeting, unless a ``token`` is given."""
    place = (await client.ask("POST", f"/api/v1/bullet-{kind}")).data
    url = f"{place['instanceServers'][0]['endpoint']}?token={token or place['token']}&connectId=me"
    async with client.session.ws_connect(url) as socket:
        opened = Socket(socket)
        if not token:
            assert await opened.next() == {"id": "me", "type": "welcome"}
        yield opened
