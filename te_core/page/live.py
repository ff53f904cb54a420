"""Sends changes of the page to its viewers as server-sent events.

All viewers see the same parts, so each part is built and rendered once. Nothing is built without viewers, a part is
rendered only when its values have changed, and rendering yields to the event loop every millisecond: orders go first.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from aiohttp import web

from te_core.clock import Clock
from te_core.errors import NotReady
from te_core.page.guards import HEADERS
from te_core.page.sessions import Session
from te_core.page.turns import Turns
from te_core.web.encoding import encode

PAUSE = 1.0
"""Minimum seconds between two refreshes while there are viewers; each sends at most one patch."""
SLOWEST = 4
"""Number of pauses after which there is a refresh although the journal was not written: reads are not in it."""
BEAT = 4.0
"""Seconds without an event after which a viewer is sent a heartbeat."""
MOST_WAITING = 30
"""Maximum number of events waiting for a viewer; beyond that it is cut off and reconnects."""
RETRY = b"retry: 2000\n\n"

Build = Callable[[Turns], Awaitable[Mapping[str, Any]]]
"""Returns the values of each part; they compare equal while nothing changes."""
Draw = Callable[[str, Any], str]


class Parts:
    """The parts of the page as last rendered. ``boot`` identifies this run."""

    def __init__(self, build: Build, draw: Draw, clock: Clock, boot: str) -> None:
        self.html: dict[str, str] = {}
        self.values: Mapping[str, Any] = {}
        self._build = build
        self._draw = draw
        self._clock = clock
        self._boot = hashlib.sha256(boot.encode()).hexdigest()[:8]
        self._number = 0
        self._changed: dict[str, int] = {}
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def version(self) -> str:
        """Return the version that an up-to-date viewer sends when it connects."""
        return f"{self._number}.{self.layout}.{self._boot}"

    @property
    def layout(self) -> str:
        """Return a digest of the names of the parts."""
        return hashlib.sha256("\n".join(self.html).encode()).hexdigest()[:8]

    async def refresh(self) -> None:
        """Render what has changed; concurrent callers wait for the same refresh. Raises what ``build`` raises."""
        if self._refreshing is None:
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())
            self._refreshing.add_done_callback(self._refreshed)
        await asyncio.shield(self._refreshing)

    def _refreshed(self, task: asyncio.Task[None]) -> None:
        self._refreshing = None
        if not task.cancelled():
            task.exception()  # callers that waited have received it

    async def _refresh(self) -> None:
        turns = Turns(self._clock)
        values = await self._build(turns)
        drawn: dict[str, str] = {}
        changed = []
        for name, value in values.items():
            if name in self.html and self.values.get(name) == value:
                drawn[name] = self.html[name]
                continue
            await turns.next()
            drawn[name] = self._draw(name, value)
            if drawn[name] != self.html.get(name):
                changed.append(name)
        if changed or drawn.keys() != self.html.keys():
            self._number += 1
            self._changed = {name: self._changed.get(name, 0) for name in drawn}
            self._changed.update(dict.fromkeys(changed, self._number))
        self.html, self.values = drawn, values

    def since(self, version: str) -> Mapping[str, str] | None:
        """Return the parts that changed since a version; None if the page has different parts now."""
        number, _, rest = version.partition(".")
        layout, _, boot = rest.partition(".")
        if layout != self.layout:
            return None
        known = int(number) if boot == self._boot and number.isascii() and number.isdigit() else -1
        return {name: text for name, text in self.html.items() if self._changed[name] > known}


class _Viewer:
    """One open stream. ``version``: of its page once all waiting events are sent."""

    def __init__(self, request: web.Request, session: Session, version: str) -> None:
        self.session = session
        self.version = version
        self._request = request
        self._waiting: deque[bytes] = deque()
        self._there = asyncio.Event()
        self._over = False

    def put(self, event: bytes) -> None:
        """Queue an event; cut the viewer off if too many are waiting."""
        self._waiting.append(event)
        self._there.set()
        if len(self._waiting) > MOST_WAITING:
            self.cut_off()

    def cut_off(self) -> None:
        """Abort the connection, which may hang in the middle of a write."""
        self._over = True
        self._there.set()
        if self._request.transport is not None:
            self._request.transport.abort()

    def end(self) -> None:
        """End the stream after the waiting events."""
        self._over = True
        self._there.set()

    async def events(self) -> bytes | None:
        """Return the waiting events, empty after a while without any, and None at the end."""
        if not self._waiting and not self._over:
            self._there.clear()
            try:
                async with asyncio.timeout(BEAT):
                    await self._there.wait()
            except TimeoutError:
                return b""
        if not self._waiting:
            return None
        found = b"".join(self._waiting)
        self._waiting.clear()
        return found


class Pace:
    """Decides whether a refresh is due: after each write to the journal, otherwise at every ``SLOWEST``-th pause."""

    def __init__(self, writes: Callable[[], int]) -> None:
        self._writes = writes
        self._written = -1
        self._skipped = 0

    def is_due(self) -> bool:
        """Return whether to refresh after this pause."""
        before, self._written = self._written, self._writes()
        self._skipped += 1
        if before == self._written and self._skipped < SLOWEST:
            return False
        self._skipped = 0
        return True


class Live:
    """Serves ``/live``. ``aged``: fills the ages into HTML before it is sent.

    ``writes``: a number that grows with every write to the journal. Building the page costs milliseconds, so it is
    built less often while nothing happens.
    """

    def __init__(
        self,
        parts: Parts,
        clock: Clock,
        *,
        is_open: Callable[[Session], bool],
        aged: Callable[[str], str],
        writes: Callable[[], int],
    ) -> None:
        self._parts = parts
        self._pace = Pace(writes)
        self._clock = clock
        self._is_open = is_open
        self._aged = aged
        self._viewers: dict[int, _Viewer] = {}
        self._watching: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._gone = False

    @property
    def viewers(self) -> int:
        """Return the number of viewers."""
        return len(self._viewers)

    async def serve(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Stream to one viewer until it leaves or its session ends."""
        if self._gone:
            raise NotReady("the engine is stopping")
        await self._parts.refresh()
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        response = web.StreamResponse(headers={**HEADERS, **_STREAM, **(_PACKED if packed else {})})
        response.content_type = "text/event-stream"
        asked = request.headers.get("Last-Event-ID") or request.query.get("seq", "")
        viewer = _Viewer(request, session, asked)
        self._enter(viewer)
        try:
            await response.prepare(request)
            await self._send(response, viewer, _Packer() if packed else None)
        except (ConnectionError, OSError):
            pass  # the viewer left, or was cut off
        finally:
            self._viewers.pop(id(viewer), None)
        return response

    async def _send(self, response: web.StreamResponse, viewer: _Viewer, packer: _Packer | None) -> None:
        event: bytes | None = RETRY
        while event is not None:
            if not event:
                event = f"event: beat\ndata: {round(self._clock.now().timestamp() * 1000)}\n\n".encode()
            async with self._turn:  # one at a time, each in its own turn of the event loop
                data = packer.pack(event) if packer is not None else event
            await response.write(data)
            event = await viewer.events()

    def _enter(self, viewer: _Viewer) -> None:
        self._viewers[id(viewer)] = viewer
        self._bring_up_to_date([viewer])
        if self._watching is None or self._watching.done():
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while self._viewers:
            await asyncio.sleep(PAUSE)
            for viewer in list(self._viewers.values()):
                if not self._is_open(viewer.session):
                    viewer.end()
            if not self._viewers:
                return
            if not self._pace.is_due():
                continue
            try:
                await self._parts.refresh()
            except NotReady:
                continue
            self._bring_up_to_date(self._viewers.values())

    def _bring_up_to_date(self, viewers: Iterable[_Viewer]) -> None:
        made: dict[str, bytes] = {}
        newest = self._parts.version
        for viewer in viewers:
            if viewer.version == newest:
                continue
            if viewer.version not in made:
                made[viewer.version] = self._event(viewer.version)
            viewer.put(made[viewer.version])
            viewer.version = newest

    def _event(self, version: str) -> bytes:
        parts = self._parts.since(version)
        if parts is None:
            return b"event: reload\ndata: {}\n\n"
        drawn = {name: self._aged(text) for name, text in parts.items()}
        return f"id: {self._parts.version}\nevent: patch\ndata: {encode({'parts': drawn})}\n\n".encode()

    def leave(self, reason: str) -> None:
        """Send all viewers the reason why the stream ends, and end it."""
        self._gone = True
        event = f"event: gone\ndata: {encode({'reason': reason})}\n\n".encode()
        for viewer in list(self._viewers.values()):
            viewer.put(event)
            viewer.end()
        if self._watching is not None:
            self._watching.cancel()


class _Packer:
    """Compresses a stream so that each event can be decoded as soon as it arrives."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(level=3, wbits=16 + 14, memLevel=6)  # 100 KB per viewer

    def pack(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)


_STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_PACKED = {"Content-Encoding": "gzip"}
