"""An exchange account whose calls are contained: the core never meets what a plugin may not raise or return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from te_core.contracts.exchange import AccountIdentity, AccountStream, ExchangeAccount, Finding
from te_core.model.instrument import Instrument
from te_core.model.order import OrderReport, OrderRequest
from te_core.model.position import Equity, MarginMode, Position
from te_core.model.reading import Known
from te_core.runtime import answer_checks as check
from te_core.runtime.guard import call


class GuardedAccount(ExchangeAccount):
    """Passes every call on to ``inner``. Raises ``PluginDefect`` for a stray cancellation, an exit, a wrong type."""

    def __init__(self, inner: ExchangeAccount) -> None:
        self.inner = inner

    async def open(self) -> None:
        """Connect."""
        await call("open()", self.inner.open())

    async def close(self) -> None:
        """Release connections."""
        await call("close()", self.inner.close())

    async def identity(self) -> AccountIdentity | None:
        """Return who this account is."""
        return check.identity(await call("identity()", self.inner.identity()))

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Return the instruments of those symbols that the exchange has."""
        return check.instruments(await call("instruments()", self.inner.instruments(symbols)))

    async def equity(self) -> Known[Equity]:
        """Return the account's value."""
        return check.equity(await call("equity()", self.inner.equity()))

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Return every position."""
        return check.positions(await call("positions()", self.inner.positions()))

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Return present prices."""
        return check.prices(await call("prices()", self.inner.prices(symbols)))

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        """Set a symbol's leverage."""
        await call("set_leverage()", self.inner.set_leverage(symbol, leverage, margin_mode))

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        """Set a symbol's margin mode."""
        await call("set_margin_mode()", self.inner.set_margin_mode(symbol, margin_mode))

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Send one order."""
        return check.report("place_order()", await call("place_order()", self.inner.place_order(order)))

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Look up an order."""
        found = await call("find_order()", self.inner.find_order(symbol, client_order_id))
        return None if found is None else check.report("find_order()", found)

    async def diagnose(self) -> Sequence[Finding]:
        """Return what only this exchange knows."""
        return check.findings(await call("diagnose()", self.inner.diagnose()))

    async def watch(self, stream: AccountStream) -> None:
        """Pass on what the exchange pushes."""
        await call("watch()", self.inner.watch(stream))
