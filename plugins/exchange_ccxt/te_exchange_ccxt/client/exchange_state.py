"""State that all accounts of one exchange share in this process: the request budget and the markets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from te_core.api import Clock
from te_exchange_ccxt.budget import Budget
from te_exchange_ccxt.client.market_cache import Market, MarketCache

if TYPE_CHECKING:
    from loguru import Logger


class ExchangeState:
    """Budget and markets of one exchange host."""

    def __init__(self, identity: str, clock: Clock, log: Logger) -> None:
        self.budget = Budget(
            clock, lambda text: log.warning("{}: {}", identity.split("|", maxsplit=1)[0], text)
        )
        self.markets = MarketCache(identity, clock, log)
        self._tables: Any = None
        self._tables_of: list[Market] | None = None
        self._lock = asyncio.Lock()

    async def tables(self, markets: list[Market], make: Callable[[], Any]) -> Any:
        """Return a client with ccxt's tables of these markets, for other clients to copy.

        Building them takes a fifth of a second of CPU time, so it is done once, outside the event loop.
        """
        async with self._lock:
            if self._tables_of is not markets:
                self._tables = await asyncio.to_thread(_filled, make, markets)
                self._tables_of = markets
        return self._tables


def _filled(make: Callable[[], Any], markets: list[Market]) -> Any:
    client = make()
    client.set_markets(markets)
    return client


_BY_LOOP: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, ExchangeState]] = WeakKeyDictionary()
"""The only global of this package, since limits hold for the whole process; it lives as long as the event loop."""


def exchange_state(identity: str, clock: Clock, log: Logger) -> ExchangeState:
    """Return the shared state of one exchange host, created by its first account."""
    hosts = _BY_LOOP.setdefault(asyncio.get_running_loop(), {})
    if identity not in hosts:
        hosts[identity] = ExchangeState(identity, clock, log)
    return hosts[identity]


def fingerprint(key: str) -> str:
    """Return a digest that distinguishes keys without revealing them."""
    return blake2b(key.encode(), digest_size=8).hexdigest()
