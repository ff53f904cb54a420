"""Finds calls that block the event loop: the usual ones, without measuring time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


class _Watch:
    """``thread``: the one that must not block; None while nothing is watched."""

    def __init__(self) -> None:
        self.thread: int | None = None
        self.found: list[str] = []
        self._hooked = False

    def begin(self) -> None:
        if not self._hooked:  # an audit hook cannot be removed
            sys.addaudithook(self._heard)
            self._hooked = True
        self.found, self.thread = [], threading.get_ident()

    def register(self, what: str) -> bool:
        """Register a call if it is of the watched thread; return whether it is."""
        watched = self.thread == threading.get_ident()
        if watched:
            self.found.append(what)
        return watched

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.thread is None:
            return
        if event == "socket.connect" and arguments[0].gettimeout() != 0:
            self.register("socket.connect() of a blocking socket")
        elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
            self.register(f"{event}(): a name is resolved")


_WATCH = _Watch()


@contextmanager
def blocking_calls() -> Iterator[list[str]]:
    """Collect what blocks this thread: pauses, connections of blocking sockets, and the resolution of names.

    Calls in other threads do not count.
    """
    _WATCH.begin()
    pause = time.sleep

    def paused(seconds: float) -> None:
        if not _WATCH.register(f"time.sleep({seconds:g})"):
            pause(seconds)

    try:
        with mock.patch("time.sleep", paused):
            yield _WATCH.found
    finally:
        _WATCH.thread = None
