"""A WebSocket connection: ordered sending with latency, and the faults of streams."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from enum import StrEnum
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from te_emulators.core.account import Account
from te_emulators.core.events import Event, Topic
from te_emulators.core.faults import FaultKind
from te_emulators.wire.call import Outcome, to_json

if TYPE_CHECKING:  # the server creates connections and is known to them
    from te_emulators.wire.server import WireServer

HELD_FOR = 1.0
"""Seconds after which a message held back for reordering is sent although no other came."""
UNANSWERED = frozenset({FaultKind.REFUSED, FaultKind.DROPPED, FaultKind.TIMED_OUT})


class End(StrEnum):
    """Queued to end a connection."""

    CLOSE = "\0close"
    BREAK = "\0break"


class Stream(ABC):
    """A subclass reads messages, remembers subscriptions and turns events into messages.

    ``reply`` sends answers (acknowledgements, pongs); ``push`` sends data and is what faults act upon.
    """

    def __init__(self, server: WireServer, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.server = server
        self.socket = socket
        self.query = request.query
        self._transport = request.transport
        self.ip = request.remote or "127.0.0.1"
        self.account: Account | None = None
        """Set by a login."""
        self.key_name: str | None = None
        self._queue: asyncio.Queue[tuple[float, str]] = asyncio.Queue()
        self._held: str | None = None
        self._silent = False
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what a subclass gives ----------------------------------------------------------------------------------

    async def on_open(self) -> None:
        """Called once the connection is open."""

    @abstractmethod
    async def on_text(self, text: str) -> None:
        """Handle a message of the client; runs concurrently with others."""

    @abstractmethod
    def on_event(self, event: Event) -> None:
        """Push an event of the exchange if it is subscribed."""

    # --- sending -------------------------------------------------------------------------------------------------

    def reply(self, message: object) -> None:
        """Send text, or anything else as JSON."""
        self._enqueue(message if isinstance(message, str) else to_json(message))

    def push(self, topic: Topic, message: object) -> None:
        """Send data of a topic, unless a fault interferes."""
        text = message if isinstance(message, str) else to_json(message)
        if topic is Topic.TICKER and any(symbol in text for symbol in self.server.exchange.market.unlisted):
            return
        faults = self.server.faults.consume("stream", key=self.key_name, topic=topic)
        kinds = {fault.kind for fault in faults}
        for kind in kinds:
            self.server.exchange.counts.faults[kind] += 1
        if FaultKind.STREAM_SILENT in kinds:
            self._silent = True
        if FaultKind.STREAM_CLOSED in kinds:
            self.disconnect()
            return
        if FaultKind.STREAM_GAP in kinds:
            return
        if FaultKind.STREAM_REORDER in kinds and self._held is None:
            self._held = text
            asyncio.get_running_loop().call_later(HELD_FOR, self._release)
            return
        self.server.exchange.counts.messages[topic] += 1
        self._enqueue(text)
        if FaultKind.STREAM_DUPLICATE in kinds:
            self._enqueue(text)
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._enqueue(held)

    def _enqueue(self, text: str) -> None:
        if not self._silent:
            self._queue.put_nowait((self._due(), text))

    def _due(self) -> float:
        return asyncio.get_running_loop().time() + self.server.latency / 2

    async def _write(self) -> None:
        while True:
            due, text = await self._queue.get()
            wait = due - asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)
            if text is End.BREAK:
                self.abort()
                return
            with contextlib.suppress(ConnectionError):
                if text is End.CLOSE:
                    await self.socket.close()
                    return
                await self.socket.send_str(text)

    # --- receiving -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read until the connection ends."""
        self._start(self._write())
        try:
            await self.on_open()
            async for message in self.socket:
                if message.type is WSMsgType.TEXT:
                    self._start(self._receive(message.data))
        finally:
            for task in list(self._tasks):
                task.cancel()

    async def _receive(self, text: str) -> None:
        if self.server.latency:
            await asyncio.sleep(self.server.latency / 2)
        await self.on_text(text)

    def _start(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def disconnect(self) -> None:
        """Close cleanly after everything in the queue."""
        self._queue.put_nowait((self._due(), End.CLOSE))

    def abort(self) -> None:
        """Break the connection without a closing handshake."""
        if self._transport is not None:
            self._transport.abort()

    def unanswered(self, outcome: Outcome) -> bool:
        """Return whether a fault withholds the response to a request over this stream (and possibly ends the
        stream)."""
        fault = outcome.fault
        if fault is None or fault.kind not in UNANSWERED:
            return False
        if fault.kind is not FaultKind.TIMED_OUT:
            self.abort()
        return True
