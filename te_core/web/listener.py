"""A listening address: an aiohttp server whose own errors are JSON, quiet, and tell nothing."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys

from aiohttp import web
from loguru import logger

from te_core.errors import ConfigError
from te_core.web.address import address
from te_core.web.answer import refuse

_SHUTDOWN = 0.2
"""Seconds that a request in progress is given when a listener stops, twice: to end, then to be cancelled."""

_IDLE = 75.0
"""Seconds until a connection without a complete request is closed; proxies keep theirs for less."""

_LINGER = 1.0
"""Seconds in which the rest of a refused body is read, so that the sender sees the answer."""


_QUIET = 60.0
"""Seconds."""

_CONNECTIONS = 500
"""Open connections of one listener: a flood must not take the file handles that orders and the journal need."""


class _TooMany(asyncio.Protocol):
    """Hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close at once."""
        transport.close()


class _Defects:
    """Logs a defect with its traceback, and the same one again after a minute at the earliest."""

    def __init__(self) -> None:
        self._quiet_until: dict[tuple[str, int], float] = {}

    def tell(self, error: BaseException | None) -> None:
        """Log, unless it was told just now."""
        frame = error.__traceback__ if error else None
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        place = (type(error).__name__, frame.tb_lineno if frame else 0)
        now = asyncio.get_running_loop().time()
        if now >= self._quiet_until.get(place, now):
            self._quiet_until[place] = now + _QUIET
            logger.opt(exception=error).error(
                "a request failed: {}; not told again for {:g} s", place[0], _QUIET
            )


class _Connection(web.RequestHandler):
    """Answers malformed requests with a 400 that repeats nothing of them: their path may hold a token."""

    defects: _Defects

    @property
    def idle(self) -> bool:
        """Whether no request of it is being handled: nothing is lost when it gives way to another."""
        return self.transport is not None and self._current_request is None and not self._messages

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's text quotes the request
    ) -> web.StreamResponse:
        """Answer for aiohttp: what its parser refuses, and what a handler raised."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer is already on its way")
        if status < 500:
            response = refuse(status, "malformed HTTP request")
        else:
            self.defects.tell(exc or sys.exception())
            response = refuse(500, "internal error")
        response.force_close()
        return response


class Listener:
    """Serves a site on one address. ``name`` is its key below ``listen`` in the settings."""

    def __init__(self, name: str, site: web.Application | web.Server) -> None:
        self._name = name
        self._runner: web.BaseRunner
        if isinstance(site, web.Application):
            self._runner = web.AppRunner(site, shutdown_timeout=_SHUTDOWN)
        else:
            self._runner = web.ServerRunner(site, shutdown_timeout=_SHUTDOWN)
        self._server: asyncio.Server | None = None
        self._defects = _Defects()
        self._host = ""
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen. Port 0 takes a free one. Raises ``ConfigError`` when the address cannot be had."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._connection, host, port)
        except OSError as error:
            await self._runner.cleanup()
            raise self._unavailable(error, host, port) from None
        self._host = host
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the address and every connection, in well under a second."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Address for a client on this machine, without trailing slash."""
        return address(self._host, self.port)

    def _connection(self) -> asyncio.Protocol:
        assert self._runner.server is not None
        open_ones = self._runner.server.connections
        if len(open_ones) >= _CONNECTIONS:
            # Whoever only holds connections open must not keep alerts out: those are sent as soon as one stands.
            idle = next((one for one in open_ones if isinstance(one, _Connection) and one.idle), None)
            if idle is None:
                return _TooMany()
            idle.force_close()
        connection = _Connection(
            self._runner.server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is documented as "no access log": paths hold tokens
            keepalive_timeout=_IDLE,
            lingering_time=_LINGER,
            auto_decompress=False,
        )
        connection.defects = self._defects
        return connection

    def _unavailable(self, error: OSError, host: str, port: int) -> ConfigError:
        key, reason = f"listen.{self._name}.host", error.strerror or str(error)
        value: object = host
        if error.errno == errno.EADDRINUSE:
            key, value = f"listen.{self._name}.port", port
            reason = f"{host}:{port} is in use by another program: stop that one, or choose another port"
        elif error.errno == errno.EACCES:
            key, value = f"listen.{self._name}.port", port
            reason = (
                "ports below 1024 are reserved: choose a higher one and let a reverse proxy pass requests on"
            )
        elif isinstance(error, socket.gaierror) or error.errno in {errno.EADDRNOTAVAIL, None}:
            # newer versions of asyncio give no number where none of the host's addresses is this machine's
            reason = f"{host} is not an address of this machine: use 127.0.0.1, or 0.0.0.0 for all"
        return ConfigError(reason, key=key, value=value)
