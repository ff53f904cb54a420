"""Emulated exchanges in a thread of their own, next to an engine that is a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

from te_emulators.core.faults import Fault, FaultKind
from te_emulators.threads import Served, served
from tests.exchanges.trading import account, held

DOWN = Fault(kind=FaultKind.SERVER_ERROR, status=502, times=None)


class Exchanges:
    """The servers by name, and actions on them."""

    def __init__(self, found: Served) -> None:
        self.servers = found.servers
        self._call = found.call

    def fail(self, name: str) -> None:
        """Answer every request with a 502."""
        self.servers[name].faults.add(DOWN)

    def reject_the_next_order(self, name: str) -> None:
        """Make it refuse the next order permanently."""
        fault = Fault(kind=FaultKind.REJECTED, route="order", error="LeverageTooHigh")
        self.servers[name].faults.add(fault)

    def recover(self, name: str) -> None:
        """End the failures."""
        self.servers[name].faults.clear()

    def held(self, name: str, symbol: str) -> Decimal:
        """Return what the account truly holds."""
        return held(self.servers[name], symbol)

    def close_by_hand(self, name: str, symbol: str) -> None:
        """Close a position as on the exchange's own page."""
        self.trade_by_hand(name, symbol, -self.held(name, symbol))

    def trade_by_hand(self, name: str, symbol: str, size: Decimal) -> None:
        """Trade there without the engine; ``size`` is in base units, below zero to sell."""
        exchange = self.servers[name].exchange
        main = exchange.accounts["main"]
        contract = exchange.market.by_base(symbol.removesuffix(main.coin), main.coin)
        self._call(
            lambda: exchange.trade_by_hand(main, contract.symbol, size / contract.contract_size),
        )

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Set a price on all of them, rounded to the tick."""
        for server in self.servers.values():
            market = server.exchange.market
            main = server.exchange.accounts["main"]
            found = market.by_base(symbol.removesuffix(main.coin), main.coin)
            self._call(partial(server.exchange.set_price, found.symbol, price))

    def section(self, name: str, **options: Any) -> dict[str, Any]:
        """Return the settings of the account there."""
        return dict(account(name, self.servers[name], streams=False, **options))


@contextmanager
def exchanges(*names: str) -> Iterator[Exchanges]:
    """Run them for a while."""
    with served(*names) as found:
        yield Exchanges(found)
