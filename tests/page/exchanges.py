"""Emulated exchanges on a thread of their own, beside an engine that is a process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from decimal import Decimal
from typing import Any

from te_emulators.core.faults import Fault, FaultKind
from te_emulators.venues import running
from te_emulators.wire.server import WireServer
from tests.exchanges.trading import account, held

DOWN = Fault(kind=FaultKind.SERVER_ERROR, status=502, times=None)


class Exchanges:
    """The servers by name, and what tests do to them."""

    def __init__(self, servers: dict[str, WireServer], loop: asyncio.AbstractEventLoop) -> None:
        self.servers = servers
        self._loop = loop

    def fail(self, name: str) -> None:
        """Have every request answered with a 502."""
        self.servers[name].faults.add(DOWN)

    def recover(self, name: str) -> None:
        """End that."""
        self.servers[name].faults.clear()

    def held(self, name: str, symbol: str) -> Decimal:
        """Return what the account truly holds."""
        return held(self.servers[name], symbol)

    def close_by_hand(self, name: str, symbol: str) -> None:
        """Close a position as somebody does on the exchange's own page."""
        self.trade_by_hand(name, symbol, -self.held(name, symbol))

    def trade_by_hand(self, name: str, symbol: str, size: Decimal) -> None:
        """Trade there without the engine; ``size`` is in base units, below zero to sell."""
        exchange = self.servers[name].exchange
        main = exchange.accounts["main"]
        contract = exchange.market.by_base(symbol.removesuffix(main.coin), main.coin)
        done = threading.Event()

        def trade() -> None:
            exchange.trade_by_hand(main, contract.symbol, size / contract.contract_size)
            done.set()

        self._loop.call_soon_threadsafe(trade)
        assert done.wait(10)

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Move a price on all of them; as near as its tick allows."""
        for server in self.servers.values():
            market = server.exchange.market
            main = server.exchange.accounts["main"]
            found = market.by_base(symbol.removesuffix(main.coin), main.coin)
            self._loop.call_soon_threadsafe(server.exchange.set_price, found.symbol, price)

    def section(self, name: str, **options: Any) -> dict[str, Any]:
        """Return the settings of the account there."""
        return dict(account(name, self.servers[name], streams=False, **options))


@contextmanager
def exchanges(*names: str) -> Iterator[Exchanges]:
    """Run them for a while."""
    servers: dict[str, WireServer] = {}
    up, loop, ended = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with AsyncExitStack() as stack:
            for name in names:
                servers[name] = await stack.enter_async_context(running(name))
            up.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert up.wait(30)
        yield Exchanges(servers, loop)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
