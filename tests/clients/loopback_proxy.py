"""An HTTP proxy on loopback: tunnels TLS, forwards plain requests and WebSockets, and resolves some host names."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

USER, PASSWORD = "desk", "p@ss:word-4711"
"""Characters that have to be quoted in an address."""
QUOTED = "p%40ss%3Aword-4711"
_LINE = b"\r\n"


class LoopbackProxy:
    """``hosts``: names that only the proxy resolves, to ports of this machine. ``asked`` has method and target."""

    def __init__(self, hosts: Mapping[str, int]) -> None:
        self.hosts = dict(hosts)
        self.asked: list[tuple[str, str]] = []
        self.refused = 0
        self.carried = bytearray()
        """Every byte that a client sent after a request for a tunnel."""
        self.port = 0
        self._pumps: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The address as an operator writes it."""
        return f"http://{USER}:{QUOTED}@127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        upstream: asyncio.StreamWriter | None = None
        try:
            while head := await _head(reader):
                method, target, headers = _parsed(head)
                self.asked.append((method, target))
                if not _permitted(headers):
                    self.refused += 1
                    writer.write(
                        b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )
                    return
                if upstream is None:
                    parts = urlsplit(target if "://" in target else f"//{target}")
                    port = self.hosts.get(parts.hostname or "", parts.port)
                    back, upstream = await asyncio.open_connection("127.0.0.1", port)
                    self._pump(back, writer)
                if method == "CONNECT":
                    writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                else:
                    upstream.write(_origin_form(head, target))
                    await _body(reader, upstream, headers)
                if method == "CONNECT" or "upgrade" in headers:
                    await self._carry(reader, upstream)
                    return
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for one in (upstream, writer):
                if one is not None:
                    one.close()

    def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def pump() -> None:
            with suppress(OSError):
                while data := await reader.read(1 << 16):
                    writer.write(data)
                    await writer.drain()
            writer.close()

        task = asyncio.create_task(pump())
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            self.carried += data
            writer.write(data)
            await writer.drain()

    async def stop(self) -> None:
        """Close the remaining connections."""
        for task in list(self._pumps):
            task.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


@asynccontextmanager
async def proxying(**hosts: int) -> AsyncIterator[LoopbackProxy]:
    """Run one; ``hosts`` as above, under ``.invalid``."""
    proxy = LoopbackProxy({f"{name}.invalid": port for name, port in hosts.items()})
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await proxy.stop()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(_LINE * 2)
    except asyncio.IncompleteReadError:
        return b""


def _parsed(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    return method, target, {name.lower(): value for name, value in headers.items()}


def _permitted(headers: Mapping[str, str]) -> bool:
    kind, _, given = headers.get("proxy-authorization", "").partition(" ")
    return kind == "Basic" and b64decode(given).decode() == f"{USER}:{PASSWORD}"


def _origin_form(head: bytes, target: str) -> bytes:
    parts = urlsplit(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    first, *lines = head.split(_LINE)
    method, _, version = first.split(b" ")
    kept = [line for line in lines if not line.lower().startswith(b"proxy-")]
    return _LINE.join([b" ".join((method, path.encode(), version)), *kept])


async def _body(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: Mapping[str, str]
) -> None:
    if length := int(headers.get("content-length", 0)):
        writer.write(await reader.readexactly(length))
