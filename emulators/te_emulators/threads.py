"""Emulators in a thread of their own: they respond while the caller blocks, and other processes can reach them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, Unpack

from te_core.testing.http_harness import LoopThread
from te_emulators.venues import Options, server
from te_emulators.wire.server import WireServer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Served:
    """Emulators by name, and the thread that serves them."""

    servers: Mapping[str, WireServer]
    thread: LoopThread

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in their thread and return its result: the way to change their state."""
        return self.thread.call(function)


@contextmanager
def served(*names: str, **options: Unpack[Options]) -> Iterator[Served]:
    """Serve emulators until the block ends; ``options`` as for ``venues.server``, for each of them."""
    thread = LoopThread("emulators")
    servers = {name: server(name, **options) for name in names}
    try:
        for made in servers.values():
            thread.run(made.start())
        yield Served(servers, thread)
    finally:
        for made in servers.values():
            if made.port:
                thread.run(made.stop())
        thread.stop()
