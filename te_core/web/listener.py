"""A listening address: an aiohttp server whose own errors are JSON, are logged sparingly, and disclose nothing."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from aiohttp import web
from loguru import logger

from te_core.errors import ConfigError
from te_core.web.address import address, socket_address
from te_core.web.connections import Connections, peer_of
from te_core.web.encrypting import EncryptingServer
from te_core.web.first_request import IDLE, FirstRequest
from te_core.web.responses import BUSY, refuse
from te_core.web.tls import Certificate

_SHUTDOWN = 0.2
"""Seconds that a request in progress gets when a listener stops, twice: to end, then to be cancelled."""

_LINGER = 1.0
"""Seconds for which the rest of a refused body is read, so that the sender sees the response."""


_QUIET = 60.0
"""Seconds for which the same defect is not logged again."""

_BACKLOG = 2048
"""Connections that the kernel queues until they are accepted."""

_WHOLE_REQUEST = 1.0
"""Seconds that a sender has to send its request if every connection is busy, before it gets a 503."""


class _Busy(asyncio.Protocol):
    """Responds 503, so that the sender retries: every other connection has a complete request in progress."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the request: closing before it has arrived could lose the response."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(_WHOLE_REQUEST, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Send the response and close."""
        del data
        self._transport.write(BUSY)
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer."""
        del exc
        self._timer.cancel()


class _Defects:
    """Logs a defect with its traceback, and the same one again after a minute at the earliest."""

    def __init__(self) -> None:
        self._quiet_until: dict[tuple[str, int], float] = {}

    def log_once(self, error: BaseException | None) -> None:
        """Log a defect, unless it was logged within the last minute."""
        frame = error.__traceback__ if error else None
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        origin = (type(error).__name__, frame.tb_lineno if frame else 0)
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until.get(origin, now):
            self._quiet_until[origin] = now + _QUIET
            logger.opt(exception=error).error(
                "a request failed: {}; not logged again for {:g} s", origin[0], _QUIET
            )


class _Connection(web.RequestHandler):
    """Responds to malformed requests with a 400 that repeats nothing of them: their path may contain a token."""

    defects: _Defects
    open_ones: Connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection."""
        self.open_ones.enter(self, peer_of(transport))
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Unregister the connection."""
        self.open_ones.leave(self)
        super().connection_lost(exc)

    @property
    def unfinished(self) -> bool:
        """Whether it has no complete request: none is being handled, or one whose body has not arrived."""
        request = self._current_request
        return not self._messages if request is None else not request.content.is_eof()

    def abort(self) -> None:
        """Close the connection without waiting for pending writes."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's text quotes the request
    ) -> web.StreamResponse:
        """Respond on behalf of aiohttp to what its parser refuses, and to errors of a handler."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response is already being sent")
        if status < 500:
            response = refuse(status, "malformed HTTP request")
        else:
            self.defects.log_once(exc or sys.exception())
            response = refuse(500, "internal error")
        response.force_close()
        return response


def _bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # left by a killed engine: the journal's lock proves that none is running
    held = socket.socket(socket.AF_UNIX)
    try:
        held.bind(str(path))
        path.chmod(0o600)  # before it listens, so that no other user can ever connect
    except BaseException:
        held.close()
        raise
    return held


class Listener:
    """Serves a site on one address. ``name`` is its key below ``listen`` in the settings.

    ``trusted``: whether a peer is a trusted proxy. ``report`` is called with a text when a connection limit is reached.
    """

    def __init__(
        self,
        name: str,
        site: web.Application | web.Server,
        *,
        certificate: Certificate | None = None,
        trusted: Callable[[str], bool] = lambda _peer: False,
        report: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._name = name
        self._runner: web.BaseRunner
        if isinstance(site, web.Application):
            self._runner = web.AppRunner(site, shutdown_timeout=_SHUTDOWN)
        else:
            self._runner = web.ServerRunner(site, shutdown_timeout=_SHUTDOWN)
        self._server: asyncio.Server | None = None
        self._defects = _Defects()
        self.connections = Connections(trusted, report)
        self._encrypting = None if certificate is None else EncryptingServer(certificate, self.connections)
        self.port = 0
        self.url = ""
        """Address for a client on this machine, without trailing slash."""

    async def start(self, host: str, port: int) -> None:
        """Start listening. Port 0 selects a free port. Raise `ConfigError` if the address is not available."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            if self._encrypting is None:
                self._server = await loop.create_server(self._connection, host, port, backlog=_BACKLOG)
                self.port = self._server.sockets[0].getsockname()[1]
            else:
                self.port = await self._encrypting.start(host, port, self._encrypted, backlog=_BACKLOG)
        except OSError as error:
            await self._runner.cleanup()
            raise self._unavailable(error, host, port) from None
        self.url = address(host, self.port, secure=self._encrypting is not None)

    async def start_at(self, path: Path) -> None:
        """Listen on a Unix socket that only this user may open. Raise `ConfigError` if it cannot be created."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            held = _bound(path)
            self._server = await loop.create_unix_server(self._connection, sock=held, backlog=_BACKLOG)
        except OSError as error:
            await self._runner.cleanup()
            reason = f"cannot listen on {path}: {error.strerror or error}"
            raise ConfigError(reason, key=f"listen.{self._name}.socket") from None
        self.url = socket_address(path)

    async def stop(self) -> None:
        """Close the address and every connection, in well under a second."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._encrypting is not None:
            await self._encrypting.stop()
        self.connections.abort_unfinished()  # first: the runner does not know connections without a first request
        await self._runner.cleanup()

    def _connection(self) -> asyncio.Protocol:
        if not self.connections.make_room():
            return _Busy()
        return FirstRequest(self._handler, self.connections)

    def _encrypted(self) -> asyncio.Protocol:
        return self._handler() if self.connections.make_room() else _Busy()

    def _handler(self) -> _Connection:
        assert self._runner.server is not None
        connection = _Connection(
            self._runner.server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is documented as "no access log": paths hold tokens
            keepalive_timeout=IDLE,
            lingering_time=_LINGER,
            auto_decompress=False,
            tcp_keepalive=False,  # an idle connection is closed long before; it costs two calls for each new one
        )
        connection.defects = self._defects
        connection.open_ones = self.connections
        return connection

    def _unavailable(self, error: OSError, host: str, port: int) -> ConfigError:
        key, reason = f"listen.{self._name}.host", error.strerror or str(error)
        value: object = host
        if error.errno == errno.EADDRINUSE:
            key, value = f"listen.{self._name}.port", port
            reason = f"{host}:{port} is in use by another program: stop that program, or choose another port"
        elif error.errno == errno.EACCES:
            key, value = f"listen.{self._name}.port", port
            reason = (
                "ports below 1024 are reserved: choose a higher one and let a reverse proxy pass requests on"
            )
        elif isinstance(error, socket.gaierror) or error.errno in {errno.EADDRNOTAVAIL, None}:
            # newer versions of asyncio set no errno if none of the host's addresses belongs to this machine
            reason = f"{host} is not an address of this machine: use 127.0.0.1, or 0.0.0.0 for all"
        return ConfigError(reason, key=key, value=value)
