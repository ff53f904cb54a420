"""Reads the markets with a client in a thread of its own: making ccxt's structures of six hundred rows takes 0.15 s.

The thread asks for each answer on the event loop, through the account's own client: budget, signature and connection
are the same as for every other request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from copy import copy
from decimal import localcontext
from functools import partial
from typing import Any

from te_exchange_ccxt.client import bare, last_answer
from te_exchange_ccxt.venue import Venue

MOST_REQUESTS = 100
"""For one list: an exchange that gives the same page for ever would be asked for ever, and fill the memory."""


class Relay:
    """Carries requests from the thread to the event loop, until it is closed."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._asked: set[Future[Any]] = set()
        self._closed = False
        self._made = 0
        self.answer = last_answer.get()

    def close(self) -> None:
        """Let the thread end: what it still waits for is cancelled."""
        self._closed = True
        for asked in list(self._asked):
            asked.cancel()

    async def fetch2(self, *args: Any, **kw: Any) -> Any:
        """Take the place of ccxt's ``fetch2`` in the thread."""
        if self._closed:
            raise asyncio.CancelledError
        self._made += 1
        if self._made > MOST_REQUESTS:
            raise ValueError(f"the list of instruments does not end after {MOST_REQUESTS} requests")
        asked = asyncio.run_coroutine_threadsafe(self._fetch(*args, **kw), self._loop)
        self._asked.add(asked)
        try:
            return await asyncio.wrap_future(asked)
        finally:
            self._asked.discard(asked)

    async def _fetch(self, *args: Any, **kw: Any) -> Any:
        try:
            return await self._exchange.fetch2(*args, **kw)
        finally:
            self.answer = last_answer.get()


async def fetch_markets(venue: Venue, base: Any) -> list[dict[str, Any]]:
    """Read the market structures as ``venue.fetch_markets`` does, and raise what it raises."""
    relay, context = Relay(venue.exchange), copy_context()
    # A thread of its own: the loop's threads find out the addresses of hosts, and this one waits for that, too.
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="markets")
    work = partial(context.run, _run, _fetch(copy(venue), base, relay))
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, work)
    finally:
        relay.close()
        thread.shutdown(wait=False)
        last_answer.set(relay.answer)


def _run(work: Coroutine[Any, Any, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    with localcontext():  # ccxt changes it
        return asyncio.run(work)


async def _fetch(venue: Venue, base: Any, relay: Relay) -> list[dict[str, Any]]:
    venue.exchange = bare(venue, base)
    venue.exchange.fetch2 = relay.fetch2
    try:
        return await venue.fetch_markets()
    finally:
        await venue.exchange.close()
