"""The open connections of one listener, and which of them is dropped when there are too many.

A flood must not use up the file handles that orders and the journal need, and must not keep alerts out. An alert
arrives as soon as its connection is open, so connections without a complete request are dropped, the oldest first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

MOST = 500
"""Maximum number of open connections of one listener."""

MOST_OF_ONE_PEER = 250
"""Number from which a peer's old connections are dropped for its new ones; a trusted proxy is exempt."""

SHARE = 4
"""Each listener uses at most 1/SHARE of the files that this process may open."""

QUIET = 600.0
"""Seconds without reaching a limit after which reaching one is reported again."""


class Connection(Protocol):
    """A connection that can be dropped."""

    @property
    def unfinished(self) -> bool:
        """Whether no complete request has arrived on it, so that nothing is lost with it."""
        ...

    def abort(self) -> None:
        """Close the connection at once."""
        ...


class Connections:
    """Counts connections by peer. ``report`` is called with a text when a limit is reached, once per quiet period."""

    def __init__(self, trusted: Callable[[str], bool], report: Callable[[str], None]) -> None:
        self._trusted = trusted
        self._report = report
        self._open: dict[Connection, str] = {}
        self._by_peer: dict[str, dict[Connection, None]] = {}
        self._full_at = float("-inf")
        most = _open_files() // SHARE
        self._most, self._most_of_one_peer = min(MOST, most), min(MOST_OF_ONE_PEER, most // 2)

    def __len__(self) -> int:
        return len(self._open)

    def make_room(self) -> bool:
        """Return whether one more connection may be opened; drop an unfinished one for it if necessary."""
        if len(self._open) < self._most:
            return True
        victim = _first(self._strangers()) or _first(self._open)
        self._report_full(f"{self._most} connections are open")
        if victim is None:
            return False
        self._close(victim)
        return True

    def enter(self, connection: Connection, peer: str) -> None:
        """Register a new connection."""
        siblings = self._by_peer.setdefault(peer, {})
        if (
            len(siblings) >= self._most_of_one_peer
            and not self._trusted(peer)
            and (victim := _first(siblings))
        ):
            self._report_full(f"{self._most_of_one_peer} connections from {peer} are open")
            self._close(victim)
        self._open[connection] = peer
        self._by_peer.setdefault(peer, {})[connection] = None

    def leave(self, connection: Connection) -> None:
        """Unregister a connection that was closed."""
        peer = self._open.pop(connection, None)
        if peer is not None:
            siblings = self._by_peer[peer]
            del siblings[connection]
            if not siblings:
                del self._by_peer[peer]

    def abort_unfinished(self) -> None:
        """Close all connections without a complete request."""
        for connection in [connection for connection in self._open if connection.unfinished]:
            self._close(connection)

    def _strangers(self) -> Iterable[Connection]:
        return (connection for connection, peer in self._open.items() if not self._trusted(peer))

    def _close(self, connection: Connection) -> None:
        self.leave(connection)
        connection.abort()

    def _report_full(self, what: str) -> None:
        now = asyncio.get_running_loop().time()
        since, self._full_at = self._full_at, now
        if now - since > QUIET:
            most = max(self._by_peer, key=lambda peer: len(self._by_peer[peer]), default="")
            self._report(
                f"{what}, most of them from {most} ({len(self._by_peer.get(most, ()))}): "
                "those without a complete request are closed, the oldest first; alerts still get through"
            )


def _open_files() -> int:
    """Return how many files this process may have open."""
    try:
        import resource
    except ImportError:  # not a Unix
        return SHARE * MOST
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return SHARE * MOST if soft == resource.RLIM_INFINITY else soft


def peer_of(transport: asyncio.BaseTransport) -> str:
    """Return the address of the peer; empty for a Unix socket."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


def _first(connections: Iterable[Connection]) -> Connection | None:
    return next((connection for connection in connections if connection.unfinished), None)
