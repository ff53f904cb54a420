"""A client that signs as BloFin documents; for tests of the wire layer without ccxt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from itertools import count
from types import TracebackType
from typing import Any, Self

import aiohttp

from te_emulators.blofin.server import BlofinServer
from te_emulators.blofin.signature import LOGIN, sign

NONCES = count(1)


class BlofinClient:
    """Requests of one key to one emulator, which runs while the client is open; ``shift_ms`` shifts their
    timestamps."""

    def __init__(
        self, emulator: BlofinServer, *, key: str = "K", secret: str = "S", passphrase: str = "P"
    ) -> None:
        self.emulator = emulator
        self.key, self.secret, self.passphrase = key, secret, passphrase
        self.shift_ms = 0
        self.status = 0
        self.headers: Mapping[str, str] = {}

    async def __aenter__(self) -> Self:
        await self.emulator.start()
        self._open = AsyncExitStack()
        self._open.push_async_callback(self.emulator.stop)
        self._session = await self._open.enter_async_context(aiohttp.ClientSession())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def get(self, path: str, **changed: str) -> Any:
        """Send a signed GET of ``/api/v1/{path}``; ``changed`` replaces headers, an empty value removes one."""
        return await self._request("GET", path, b"", changed)

    async def post(self, path: str, body: object, **changed: str) -> Any:
        """Send a signed POST of a JSON body without spaces."""
        return await self._request("POST", path, json.dumps(body, separators=(",", ":")).encode(), changed)

    async def public(self, path: str) -> Any:
        """Send an unsigned GET."""
        async with self._session.get(f"{self.emulator.url}/api/v1/{path}") as answer:
            self.status = answer.status
            return await answer.json()

    def signed(self) -> tuple[str, str]:
        """Return a timestamp and a new nonce."""
        return str(self.emulator.exchange.clock.ms() + self.shift_ms), f"n{next(NONCES)}"

    async def _request(self, method: str, path: str, body: bytes, changed: Mapping[str, str]) -> Any:
        path = f"/api/v1/{path}"
        timestamp, nonce = self.signed()
        nonce = changed.get("nonce", nonce)
        timestamp = changed.get("timestamp", timestamp)
        headers = {
            "ACCESS-KEY": self.key,
            "ACCESS-SIGN": sign(
                self.secret, path=path, method=method, timestamp=timestamp, nonce=nonce, body=body
            ),
            "ACCESS-TIMESTAMP": timestamp,
            "ACCESS-NONCE": nonce,
            "ACCESS-PASSPHRASE": self.passphrase,
            "Content-Type": "application/json",
        }
        headers = {
            name: changed.get(name.removeprefix("ACCESS-").lower(), value) for name, value in headers.items()
        }
        headers = {name: value for name, value in headers.items() if value}
        url = self.emulator.url + path
        async with self._session.request(method, url, data=body or None, headers=headers) as answer:
            self.status, self.headers = answer.status, answer.headers
            if answer.content_type == "application/json":
                return await answer.json()
            return await answer.text()

    async def order(self, side: str, size: str, symbol: str = "BTC-USDT", **more: object) -> Any:
        """Return a market order in isolated margin."""
        body = {
            "instId": symbol,
            "marginMode": "isolated",
            "positionSide": "net",
            "side": side,
            "orderType": "market",
            "size": size,
        }
        body |= {name: str(value) for name, value in more.items()}
        return await self.post("trade/order", body)

    async def stream(self, kind: str = "private") -> BlofinSocket:
        """Open a connection without a login; it is closed with the client."""
        connecting = self._session.ws_connect(f"{self.emulator.ws_url}/ws/{kind}")
        return BlofinSocket(self, await self._open.enter_async_context(connecting))


class BlofinSocket:
    """One stream connection."""

    def __init__(self, client: BlofinClient, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._client = client
        self.socket = socket

    async def ask(self, op: str, *arguments: Mapping[str, str]) -> Any:
        """Send an operation and return the next message."""
        await self.socket.send_str(json.dumps({"op": op, "args": list(arguments)}))
        return await self.next()

    async def login(self, *, secret: str | None = None) -> Any:
        """Log in; return the response."""
        timestamp, nonce = self._client.signed()
        signature = sign(secret or self._client.secret, path=LOGIN, timestamp=timestamp, nonce=nonce)
        return await self.ask(
            "login",
            {
                "apiKey": self._client.key,
                "passphrase": self._client.passphrase,
                "timestamp": timestamp,
                "nonce": nonce,
                "sign": signature,
            },
        )

    async def next(self) -> Any:
        """Return the next message; text that is not JSON unchanged."""
        text = await self.socket.receive_str(timeout=20)
        return json.loads(text) if text.startswith("{") else text
