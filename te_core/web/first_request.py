"""A connection before its first request has arrived.

The cost of serving HTTP is spent on clients that send a request, not on those that hold a connection open: thousands
of incomplete requests are only as many buffers, and are dropped before anything else is allocated for them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import cast

from te_core.web.connections import Connections, peer_of

IDLE = 75.0
"""Seconds until a connection without a complete request is closed; proxies keep idle ones for less."""

HOLD = 0.5
"""Seconds for which an incomplete request is held; then it is passed on as it is, to be refused or waited for.

In a flood of incomplete requests each is closed earlier.
"""

_LARGEST = 16 * 1024
"""Maximum bytes that are held."""

_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)


class FirstRequest(asyncio.Protocol):
    """Buffers data until a request is complete, then hands the connection over to a protocol created by ``make``."""

    unfinished = True

    def __init__(self, make: Callable[[], asyncio.Protocol], open_ones: Connections) -> None:
        self._make = make
        self._open_ones = open_ones
        self._held = b""
        self._waits = False
        self._timer: asyncio.TimerHandle
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._open_ones.enter(self, peer_of(transport))
        self._timer = asyncio.get_running_loop().call_later(IDLE, self.abort)

    def data_received(self, data: bytes) -> None:
        """Hand the connection over if the request is complete."""
        self._held = self._held + data if self._held else data
        if _is_whole(self._held) or _asks(self._held):
            self._hand_over()
        elif not self._waits:
            self._waits = True
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(HOLD, self._hand_over)

    def eof_received(self) -> None:
        """Hand the connection over with what has arrived."""
        if self._held:
            self._hand_over()

    def connection_lost(self, exc: Exception | None) -> None:
        """Unregister the connection."""
        del exc
        self._forget()

    def abort(self) -> None:
        """Unregister and close the connection."""
        self._forget()
        self._transport.abort()

    def _forget(self) -> None:
        self._open_ones.leave(self)
        self._timer.cancel()

    def _hand_over(self) -> None:
        self._forget()
        if self._transport.is_closing():
            return
        protocol = self._make()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        held, self._held = self._held, b""
        protocol.data_received(held)


def _asks(data: bytes) -> bool:
    """Return whether the sender waits for ``100 Continue``."""
    return b"100-continue" in data[:_LARGEST].lower()


def _is_whole(data: bytes) -> bool:
    """Return whether a request is complete. Without a stated length it is complete with its head."""
    end = data.find(_END)
    if end < 0:
        return len(data) >= _LARGEST
    stated = _LENGTH.search(data, 0, end + 2)
    return stated is None or len(data) >= min(end + len(_END) + int(stated[1]), _LARGEST)
