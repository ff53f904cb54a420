"""The HTTP server of a sender or receiver, on the loop of the case: mark the suite ``wired_clock``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from enum import StrEnum
from typing import Generic, TypeVar

from aiohttp import web

from te_core.testing.http_harness import HttpEmulator, HttpFault

_Failure = TypeVar("_Failure", bound=StrEnum)
NEVER = 100_000.0
"""Seconds by which a response is delayed that should never arrive."""
GONE = HttpFault(times=None, dropped=True)
SILENT = HttpFault(times=None, delay=NEVER)


def answers(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> HttpFault:
    """Return the fault of a server that answers every request with this status, and with JSON."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    return HttpFault(times=None, status=status, body=body, headers=sent)


class HttpLoopback(ABC, Generic[_Failure]):
    """Serves an aiohttp application."""

    faults: Mapping[_Failure, HttpFault] = {}
    """The HTTP fault for each ability."""
    abilities: frozenset[_Failure] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.abilities = frozenset({*self.abilities, *self.faults})
        self.server = HttpEmulator(self.application)
        self._serving = AsyncExitStack()

    @abstractmethod
    def application(self) -> web.Application:
        """Return the routes; called once in each case."""

    @property
    def url(self) -> str:
        """The server's address, for ``options``."""
        return self.server.url

    async def open(self) -> None:
        """Listen on a free port of loopback."""
        await self._serving.enter_async_context(self.server)

    async def close(self) -> None:
        """Close the server."""
        await self._serving.aclose()

    async def fail(self, ability: _Failure, body: bytes = b"") -> None:
        """Arm the fault of an ability, instead of the one before; ``body`` replaces its own."""
        fault = self.faults[ability]
        self.server.clear()
        self.server.add(replace(fault, body=body or fault.body))

    async def restore(self) -> None:
        """Disarm every fault."""
        self.server.clear()
