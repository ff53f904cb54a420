"""Several accounts at one exchange, reached by key: who is behind a key, what is held there, who trades it.

The truth over all of them is checked at each fill: an order is executed once, one section trades one account, the limit
on the total holds, and nothing is reduced below what is wanted.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal

from te_core.api import (
    AccountIdentity,
    AccountStream,
    Known,
    MarginMode,
    OrderReport,
    OrderRequest,
    Position,
)
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Faults
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.odd import OddAccount
from tests.engine.showing import Showing

D = Decimal
PRICES = {"BTCUSDT": "50000", "ETHUSDT": "2500"}
UIDS = {"a": "1001", "a2": "1001", "b": "1002", "c": "1003"}
"""The identity behind a key; two keys open one account."""
FOREIGN = ("1002", "ETHUSDT", "3")
"""What an owner holds on an account before the engine first sees it."""


class SharedExchange(FakeAccount):
    """Stores the truth of one account, and executes whatever arrives. ``trader``: the section that trades it now."""

    def __init__(self, clock: VirtualClock, uid: str, chance: random.Random, counts: Counter[str]) -> None:
        super().__init__(clock, **PRICES)
        self.uid = uid
        self.showing = Showing(clock, chance, counts)
        self.executed: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.trader: str | None = None
        self.on_fill: Callable[[SharedExchange, OrderRequest, Decimal], None] = (
            lambda exchange, order, before: None
        )

    @property
    def traded(self) -> set[str]:
        """The symbols that the engine has traded here."""
        return {order.symbol for order in self.requests}

    @property
    def exposure(self) -> Decimal:
        """The notional of what the engine has opened here."""
        return sum((abs(self.quantity(symbol)) * self.price[symbol] for symbol in self.traded), D(0))

    def fill(self, order: OrderRequest, share: Decimal = Decimal(1)) -> OrderReport:
        before = self.quantity(order.symbol)
        self.executed[order.client_order_id] += 1
        self.orders.pop(order.client_order_id, None)
        report = super().fill(order, share)
        self.on_fill(self, order, before)
        self.showing.order(order.client_order_id, order.symbol)
        return report

    def _set(self, symbol: str, quantity: Decimal) -> None:
        super()._set(symbol, quantity)
        self.showing.changed(self.held)
        self.showing.position(self.held[symbol])

    async def positions(self) -> Known[Mapping[str, Position]]:
        return Known(value=self.showing.held()[1], as_of=self.clock.now())

    async def watch(self, stream: AccountStream) -> None:
        await self.showing.watch(stream, self.price)


class Connection(OddAccount):
    """One section's connection to an account; it records what this section must not send."""

    def __init__(
        self,
        exchange: SharedExchange,
        name: str,
        *,
        faults: Faults,
        chance: random.Random,
        counts: Counter[str],
        kinds: frozenset[str],
        refuse: Callable[[str, SharedExchange, OrderRequest], None],
        sends: Callable[[str, SharedExchange, str], None],
    ) -> None:
        super().__init__(exchange, faults, chance=chance, counts=counts, kinds=kinds)
        self.exchange, self.name, self._refuse, self._sends = exchange, name, refuse, sends

    async def identity(self) -> AccountIdentity | None:
        return await self._call("identity", self._identity)

    async def _identity(self) -> AccountIdentity:
        return AccountIdentity(host="fake", uid=self.exchange.uid)

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.exchange.ids[order.client_order_id] += 1
        self._sends(self.name, self.exchange, str(order))
        self._refuse(self.name, self.exchange, order)
        return await super().place_order(order)

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        self._sends(self.name, self.exchange, f"leverage {leverage} of {symbol}")
        await super().set_leverage(symbol, leverage, margin_mode)

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        self._sends(self.name, self.exchange, f"margin mode {margin_mode} of {symbol}")
        await super().set_margin_mode(symbol, margin_mode)

    async def close(self) -> None:
        if self.exchange.trader == self.name:
            self.exchange.trader = None
        await super().close()
