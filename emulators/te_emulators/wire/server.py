"""The HTTP side of a wire layer on an aiohttp server bound to loopback."""

from __future__ import annotations

import asyncio
import socket
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from aiohttp import web

from te_emulators.core import errors
from te_emulators.core.events import Event
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.limits import Standing
from te_emulators.wire.call import Call, Outcome, Reply, Route
from te_emulators.wire.processing import Processing
from te_emulators.wire.stream import Stream

HOST = "127.0.0.1"
ACCEPTING = 4
"""Turns of the event loop after which the server knows a connection that was just accepted."""
PAGE = b"<!DOCTYPE html><html><head><title>Attention</title></head><body><h1>%d</h1></body></html>"


class WireServer(Processing):
    """One exchange's protocol. A subclass defines routes, streams, authentication and the form of responses."""

    name: ClassVar[str]

    # --- what a subclass defines  ----------------------------------------------------------------------------------

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Return all HTTP routes."""

    def streams(self) -> Mapping[str, type[Stream]]:
        """Return the WebSocket connections by path."""
        return {}

    @abstractmethod
    def key_name(self, headers: Mapping[str, str]) -> str | None:
        """Return the API key that a request claims, for limits; not verified."""

    @abstractmethod
    def success(self, call: Call, data: object) -> Reply:
        """Return data in the envelope of an answer."""

    @abstractmethod
    def failure(self, call: Call, error: errors.DomainError) -> Reply:
        """Return the exchange's own code and text for an error."""

    @abstractmethod
    def rate_limited(self, call: Call, standing: Standing | None) -> Reply:
        """Return the refusal of too many requests; ``standing`` is None if a fault causes it."""

    @abstractmethod
    def maintenance(self, call: Call) -> Reply:
        """Return the answer while the exchange is closed."""

    def server_error(self, call: Call, status: int) -> Reply:
        """Return a 5xx as the exchange sends it."""
        return Reply(body=b"Internal Server Error", status=status, content_type="text/plain")

    def limit_headers(self, call: Call, standings: list[Standing]) -> Mapping[str, str]:
        """Return headers that show how much of the limits is left."""
        return {}

    # --- running --------------------------------------------------------------------------------------------------

    port = 0

    @property
    def url(self) -> str:
        """Base address for HTTP."""
        return f"http://{HOST}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Base address for WebSocket."""
        return f"ws://{HOST}:{self.port}"

    async def start(self, port: int = 0) -> None:
        """Listen; port 0 chooses a free one."""
        # Bound as long as the emulator runs: while it refuses connections, nobody else must get its port.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind((HOST, port))
        self.port = int(self._held.getsockname()[1])
        self.connections: set[Stream] = set()
        self._stopping = asyncio.Event()
        self._refusing: asyncio.Task[None] | None = None
        self._site: web.SockSite | None = None
        application = web.Application(client_max_size=2**20)
        for route in self.routes():
            application.router.add_route(route.method, route.path, self._endpoint(route))
        for path, stream in self.streams().items():
            application.router.add_get(path, self._socket(stream))
        application.router.add_route("*", "/{anything:.*}", self._unknown)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self.exchange.later = loop.call_later
        self.exchange.listeners.append(self._announce)
        await self.listen()

    async def stop(self) -> None:
        """Close everything."""
        self._stopping.set()
        self.exchange.listeners.remove(self._announce)
        if self._refusing is not None:
            self._refusing.cancel()
        await self.refuse()
        await self._runner.cleanup()
        self._held.close()

    async def listen(self) -> None:
        """Accept connections (again)."""
        if self._site is None and not self._stopping.is_set():
            self._listening = socket.create_server((HOST, self.port))
            self._site = web.SockSite(self._runner, self._listening)
            await self._site.start()

    async def refuse(self) -> None:
        """Break all connections and refuse new ones until ``listen``."""
        site, self._site = self._site, None
        if site is not None:
            # asyncio drops connections that it is just accepting when the server closes, so stop accepting first.
            asyncio.get_running_loop().remove_reader(self._listening)
            for _ in range(ACCEPTING):
                await asyncio.sleep(0)
            await site.stop()
        await asyncio.sleep(0)  # connections that were just accepted are known after that
        self.abort_connections()

    def abort_connections(self) -> None:
        """Break all connections without closing them properly."""
        server = self._runner.server
        for protocol in list(server.connections) if server else []:
            if protocol.transport is not None:
                protocol.transport.abort()

    def _announce(self, event: Event) -> None:
        for connection in list(self.connections):
            connection.on_event(event)

    # --- requests -------------------------------------------------------------------------------------------------

    def _endpoint(self, route: Route):  # type: ignore[no-untyped-def]  # aiohttp's handler type
        async def handle(request: web.Request) -> web.StreamResponse:
            call = await self._call(request, route.kind)
            await self._travel()
            outcome = await self.process(
                call, route.handler, private=route.private, permission=route.permission
            )
            await self._travel()
            return await self._send(request, call, outcome)

        return handle

    def _socket(self, stream: type[Stream]):  # type: ignore[no-untyped-def]  # aiohttp's handler type
        async def handle(request: web.Request) -> web.StreamResponse:
            call = await self._call(request, "connect")
            call.limited = False
            await self._travel()
            outcome = await self.process(call, lambda _: None, private=False)
            await self._travel()
            if outcome.fault is not None or outcome.error is not None:
                return await self._send(request, call, outcome)
            socket = web.WebSocketResponse(compress=False)
            try:
                await socket.prepare(request)
            except ConnectionError:  # the client is gone already
                return web.Response()
            connection = stream(self, socket, request)
            self.connections.add(connection)
            try:
                await connection.run()
            finally:
                self.connections.discard(connection)
            return socket

        return handle

    async def _travel(self) -> None:
        if self.latency:
            await asyncio.sleep(self.latency / 2)

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        call = await self._call(request, "unknown")
        self._count(call)
        error = errors.UnknownRoute(f"{request.method} {request.path}")
        return _response(self.failure(call, error))

    async def _call(self, request: web.Request, kind: str) -> Call:
        path, _, query = request.raw_path.partition("?")
        return Call(
            kind=kind,
            method=request.method,
            path=path,
            query=query,
            body=await request.read(),
            headers=request.headers,
            ip=request.remote or HOST,
            path_values=request.match_info,
            key_name=self.key_name(request.headers),
            came=self.exchange.clock.monotonic(),
        )

    async def _send(self, request: web.Request, call: Call, outcome: Outcome) -> web.StreamResponse:
        reply = self.rendered(call, outcome)
        if outcome.fault is not None:
            broken = await self._broken(request, call, outcome.fault, reply)
            if broken is None:
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            reply = broken
        if outcome.doubled and request.transport is not None:
            request.transport.write(_raw(reply))
        return _response(reply)

    def rendered(self, call: Call, outcome: Outcome) -> Reply:
        """Return the response without faults."""
        if isinstance(outcome.error, errors.RateLimited):
            return self.rate_limited(call, next((s for s in outcome.standings if s.refused), None))
        if isinstance(outcome.error, errors.Maintenance):
            return self.maintenance(call)
        if outcome.error is not None:
            reply = self.failure(call, outcome.error)
        elif isinstance(outcome.data, Reply):
            reply = outcome.data
        else:
            reply = self.success(call, outcome.data)
        headers = {**self.limit_headers(call, outcome.standings), **reply.headers}
        return Reply(body=reply.body, status=reply.status, content_type=reply.content_type, headers=headers)

    async def _broken(self, request: web.Request, call: Call, fault: Fault, reply: Reply) -> Reply | None:
        """Return the response as a fault changes it; None to break the connection."""
        match fault.kind:
            case FaultKind.REFUSED:
                await self.refuse()
                self._refusing = asyncio.create_task(self._listen_after(fault.seconds))
                return None
            case FaultKind.DROPPED:
                return None
            case FaultKind.TIMED_OUT:
                await self._hang(fault.seconds)
                return None
            case FaultKind.SERVER_ERROR:
                return self.server_error(call, fault.status or 500)
            case FaultKind.HTML:
                status = fault.status or 502
                return Reply(body=PAGE % status, status=status, content_type="text/html")
            case FaultKind.TRUNCATED:
                half = reply.body[: len(reply.body) // 2]
                return Reply(
                    body=half, status=reply.status, content_type=reply.content_type, headers=reply.headers
                )
            case FaultKind.RATE_LIMITED:
                return self.rate_limited(call, None)
            case _:
                return self.maintenance(call)

    async def _listen_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.listen()

    async def _hang(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds or 3600):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _response(reply: Reply) -> web.Response:
    return web.Response(
        body=reply.body, status=reply.status, content_type=reply.content_type, headers=reply.headers
    )


def _raw(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} OK", f"Content-Type: {reply.content_type}"]
    lines += [f"Content-Length: {len(reply.body)}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + reply.body
