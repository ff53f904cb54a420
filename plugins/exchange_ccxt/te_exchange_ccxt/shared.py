"""What all accounts of one exchange share in this process: the request budget and the markets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from te_core.api import Clock
from te_exchange_ccxt.budget import Budget
from te_exchange_ccxt.markets import Market, Markets

if TYPE_CHECKING:
    from loguru import Logger


class Shared:
    """Budget and markets of one exchange host."""

    def __init__(self, identity: str, clock: Clock, log: Logger) -> None:
        self.budget = Budget(
            clock, lambda text: log.warning("{}: {}", identity.split("|", maxsplit=1)[0], text)
        )
        self.markets = Markets(identity, clock, log)
        self._tables: Any = None
        self._tables_of: list[Market] | None = None
        self._making = asyncio.Lock()

    async def tables(self, markets: list[Market], make: Callable[[], Any]) -> Any:
        """Give a client that holds ccxt's tables of these markets, for others to take over.

        Making them costs a fifth of a second of computing, so it is done once, and beside the event loop.
        """
        async with self._making:
            if self._tables_of is not markets:
                self._tables = await asyncio.to_thread(_filled, make, markets)
                self._tables_of = markets
        return self._tables


def _filled(make: Callable[[], Any], markets: list[Market]) -> Any:
    client = make()
    client.set_markets(markets)
    return client


_LOOPS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Shared]] = WeakKeyDictionary()
"""Limits hold for the process, so this is its only global; it lives as long as the event loop."""


def shared(identity: str, clock: Clock, log: Logger) -> Shared:
    """Give what the accounts of one exchange host have in common, made by the first of them."""
    hosts = _LOOPS.setdefault(asyncio.get_running_loop(), {})
    if identity not in hosts:
        hosts[identity] = Shared(identity, clock, log)
    return hosts[identity]


def fingerprint(key: str) -> str:
    """Give what tells keys apart without showing them."""
    return blake2b(key.encode(), digest_size=8).hexdigest()
