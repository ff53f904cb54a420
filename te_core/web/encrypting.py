"""Accept connections and encrypt them before anything else is allocated for them.

The event loop's own TLS server hides a connection until its handshake is done: it could neither be counted nor closed
in favour of another one. Upgrading a plain connection (``start_tls``) loses a client's first bytes on uvloop if they
arrive before the upgrade has started. So connections are accepted here, and the loop encrypts each from its first byte.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from loguru import logger

from te_core.web.connections import Connections
from te_core.web.tls import Certificate

_HANDSHAKE = 5.0
"""Seconds for a TLS handshake."""

_SHUTDOWN = 0.2
"""Seconds for the shutdown of an encrypted connection."""

_AT_ONCE = 32
"""Connections accepted before other tasks can run."""

_OUT_OF_HANDLES = 1.0
"""Seconds until the next attempt if the system has no file handle left; event loops wait as long."""


class _Handshake:
    """A connection that is not encrypted yet and may be dropped, see ``Connections``."""

    unfinished = True

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None

    def abort(self) -> None:
        """Close the connection."""
        if self.task is not None:
            self.task.cancel()


class EncryptingServer:
    """Serves encrypted connections; unfinished handshakes count as connections without a request."""

    def __init__(self, certificate: Certificate, open_ones: Connections) -> None:
        self._certificate = certificate
        self._open_ones = open_ones
        self._make: Callable[[], asyncio.Protocol]
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []

    async def start(self, host: str, port: int, make: Callable[[], asyncio.Protocol], *, backlog: int) -> int:
        """Listen on all addresses of ``host``, and return the port of the first. Raises ``OSError``.

        ``make`` returns the protocol that serves a connection.
        """
        self._make = make
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, _, _, _, at in dict.fromkeys(found):
                self._sockets.append(socket.create_server(at[:2], family=family, backlog=backlog))
                self._sockets[-1].settimeout(0)
        except OSError:
            await self.stop()
            raise
        self._accepting = [loop.create_task(self._accept(each)) for each in self._sockets]
        return int(self._sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the address; open connections stay, unfinished handshakes too (see ``Connections``)."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        self._accepting.clear()
        for each in self._sockets:
            each.close()
        self._sockets.clear()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        accepted = 0
        while True:
            try:
                connected, peer = await loop.sock_accept(listening)
            except ConnectionError:  # the client has already disconnected
                continue
            except OSError as error:
                logger.error("listen.public: cannot accept connections: {}", error.strerror or error)
                await asyncio.sleep(_OUT_OF_HANDLES)
                continue
            self._begin(connected, str(peer[0]))
            accepted += 1
            if accepted % _AT_ONCE == 0:
                await asyncio.sleep(0)

    def _begin(self, connected: socket.socket, peer: str) -> None:
        handshake = _Handshake()
        make = self._make()
        self._open_ones.enter(handshake, peer)
        handshake.task = asyncio.get_running_loop().create_task(self._encrypt(connected, make))

        def ended(task: asyncio.Task[None]) -> None:
            self._open_ones.leave(handshake)
            if task.cancelled():
                connected.close()

        handshake.task.add_done_callback(ended)

    async def _encrypt(self, connected: socket.socket, protocol: asyncio.Protocol) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                connected,
                ssl=self._certificate.context,
                ssl_handshake_timeout=_HANDSHAKE,
                ssl_shutdown_timeout=_SHUTDOWN,
            )
        except OSError:  # includes ssl.SSLError
            connected.close()
