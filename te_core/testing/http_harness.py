"""An emulated exchange over HTTP, served in its own thread, with latency and faults.

Write the exchange as an aiohttp application and pass it to an ``HttpHarness``. The thread has its own event loop: the
emulator responds while the account under test blocks, and a process (``te run``) can reach it as well as a test.
docs/emulators.md has a complete example.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from te_core.testing.exchange_harness import Ability, ExchangeHarness
from te_core.testing.real_clock import SystemClock

T = TypeVar("T")
HOST = "127.0.0.1"
TIMEOUT = 30.0
"""Seconds within which the thread must complete a call."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFault:
    """What happens to matching requests."""

    path: str = ""
    """Matches requests whose path starts with this; empty: all."""
    method: str = ""
    """GET, POST and so on; empty: all."""
    times: int | None = 1
    """Number of requests that it affects; None: all until ``clear``."""
    delay: float = 0
    """Seconds by which the response is delayed."""
    status: int | None = None
    """Status sent with ``body`` instead of the emulator's own response; None: the own response is sent."""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers sent with ``body``, such as its ``Content-Type``."""
    dropped: bool = False
    """The connection is aborted instead of a response."""
    executed: bool = False
    """The request is executed before ``status`` or ``dropped`` take effect."""

    def matches(self, method: str, path: str) -> bool:
        """Return whether this fault affects a request."""
        return path.startswith(self.path) and self.method in ("", method)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request that arrived."""

    method: str
    path: str
    status: int
    """Of its response; 0 if the connection was aborted."""


class LoopThread:
    """An event loop in its own thread. Other threads submit work to it and wait for the result."""

    def __init__(self, name: str = "emulator") -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread and return its result; block the caller meanwhile."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(TIMEOUT)

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the thread and return its result; block the caller meanwhile."""
        return self.run(_called(function))

    async def ask(self, function: Callable[[], T]) -> T:
        """Call a function in the thread and return its result, without blocking the caller's own loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_called(function), self.loop))

    def stop(self) -> None:
        """Cancel the remaining tasks, and end the thread."""
        if self.loop.is_closed():
            return
        self.run(_cancel_others())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(TIMEOUT)
        self.loop.close()


async def _stop_accepting(listening: socket.socket) -> None:
    """Accept no more connections. Call it before closing a server.

    asyncio forgets a connection, unclosed, that is accepted in the iteration in which its server is closed.
    """
    asyncio.get_running_loop().remove_reader(listening)
    for _ in range(2):  # until a connection that has just been accepted is known
        await asyncio.sleep(0)


async def _called(function: Callable[[], T]) -> T:
    return function()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class HttpEmulator:
    """Serves an application on loopback in its own thread.

    ``latency``: seconds of a round trip; may be changed at any time. ``requests``: the requests that arrived, oldest
    first.
    """

    def __init__(self, application: Callable[[], web.Application], *, latency: float = 0) -> None:
        self.latency = latency
        self.requests: list[HttpRequest] = []
        self._make = application
        self._faults: list[tuple[HttpFault, int | None]] = []
        self._thread: LoopThread | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Return the address to pass to the account."""
        return f"http://{HOST}:{self.port}"

    @property
    def thread(self) -> LoopThread:
        """Return the serving thread; code that reads or changes the exchange's state should run there."""
        if self._thread is None:
            raise RuntimeError("the emulator is not running: call start() first, or use it in a with block")
        return self._thread

    def start(self) -> None:
        """Listen on a free port."""
        thread = LoopThread()
        try:
            thread.run(self._listen())
        except BaseException:
            thread.stop()
            raise
        self._thread = thread

    async def _listen(self) -> None:
        application = self._make()
        application.middlewares.insert(0, self._meet)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        self._listening = socket.create_server((HOST, 0))
        self._listening.settimeout(0)
        await web.SockSite(self._runner, self._listening).start()
        self.port = self._listening.getsockname()[1]

    async def _close(self) -> None:
        await _stop_accepting(self._listening)
        await self._runner.cleanup()

    def stop(self) -> None:
        """Close all connections and end the thread; a second call changes nothing."""
        if self._thread is not None:
            self._thread.run(self._close())
            self._thread.stop()
            self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        """Serve on the running loop instead: for tests marked ``wired_clock``."""
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    def add(self, *faults: HttpFault) -> None:
        """Arm faults, after those that are already armed."""
        self._faults += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """Disarm every fault."""
        self._faults.clear()

    def _next(self, method: str, path: str) -> HttpFault:
        for place, (fault, left) in enumerate(self._faults):
            if fault.matches(method, path):
                if left is not None:
                    self._faults[place : place + 1] = [(fault, left - 1)] if left > 1 else []
                return fault
        return HttpFault()

    @web.middleware
    async def _meet(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = self._next(request.method, request.path)
        await asyncio.sleep(self.latency / 2)
        spoilt = fault.dropped or fault.status is not None
        response: web.StreamResponse = web.Response()
        if fault.executed or not spoilt:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = web.Response(status=error.status, text=error.text, headers=_plain(error))
        await asyncio.sleep(self.latency / 2 + fault.delay)
        if fault.status is not None:
            response = web.Response(status=fault.status, body=fault.body, headers=fault.headers)
        self.requests.append(
            HttpRequest(request.method, request.path, 0 if fault.dropped else response.status)
        )
        if fault.dropped and request.transport is not None:
            request.transport.abort()
        return response


def _plain(error: web.HTTPException) -> Mapping[str, str]:
    return {name: text for name, text in error.headers.items() if name.lower() != "content-type"}


class HttpHarness(ExchangeHarness):
    """A harness whose exchange is an aiohttp application.

    A subclass adds ``connect``, ``position`` and ``executed``.
    """

    faults: Mapping[Ability, HttpFault] = {}
    """The HTTP fault for each ability.

    Its keys are added to ``abilities``; if a fault has ``times``, the suite's own count replaces it. ``SLOW_ANSWERS``
    needs no entry.
    """

    def __init__(self, application: Callable[[], web.Application], *, latency: float = 0) -> None:
        self.clock = SystemClock()
        self.abilities = frozenset({*self.abilities, *self.faults, Ability.SLOW_ANSWERS})
        self.server = HttpEmulator(application, latency=latency)
        self._latency = latency
        self.server.start()

    async def ask(self, function: Callable[[], T]) -> T:
        """Call a function in the emulator's thread, to read or change the exchange's state."""
        return await self.server.thread.ask(function)

    async def changes(self) -> int:
        """Return how many requests other than reads have arrived so far."""
        return sum(request.method not in ("GET", "HEAD") for request in self.server.requests)

    async def fail(self, ability: Ability, times: int = 1, symbol: str = "") -> None:
        """Arm the fault of an ability."""
        del symbol
        if ability is Ability.SLOW_ANSWERS:
            self.server.latency = 2 * self.slowness
            return
        fault = self.faults[ability]
        self.server.add(fault if fault.times is None else replace(fault, times=times))

    async def restore(self) -> None:
        """Disarm every fault."""
        self.server.latency = self._latency
        self.server.clear()

    def close(self) -> None:
        """Stop the emulator."""
        self.server.stop()
