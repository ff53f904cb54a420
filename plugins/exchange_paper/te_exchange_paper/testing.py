"""A paper exchange that tests can move: prices, trades by hand, liquidations, faults, restarts."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from te_core.api import AccountContext, Clock, Known, MarginMode, OrderRequest, Side
from te_core.testing.faults import FaultyAccount
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.options import PaperOptions
from te_exchange_paper.store import ExecutedOrder

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

BY_HAND = "by-hand-"


class PaperVenue:
    """The exchange's side of a paper account. ``options`` are those of ``[accounts.<name>]``."""

    def __init__(self, state_dir: Path, *, clock: Clock, log: Logger, **options: Any) -> None:
        self.signal_prices: dict[str, Decimal] = {}
        self._context = AccountContext(
            name="paper",
            options=PaperOptions.model_validate(options),
            clock=clock,
            log=log,
            state_dir=state_dir,
            signal_price=self._signal_price,
            http=_no_http,
        )
        self._numbers = count(1)
        self.account = FaultyAccount(PaperAccount(self._context))

    def reconnect(self) -> FaultyAccount:
        """Give a new instance of the same account, as after a restart; the earlier one must be closed."""
        self.account = FaultyAccount(PaperAccount(self._context))
        return self.account

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Let a signal state a price; fixed ones in ``options`` go before it."""
        self.signal_prices[symbol] = price

    async def trade(self, symbol: str, quantity: Decimal, *, reduce_only: bool = False) -> None:
        """Trade a signed quantity by hand, as a user does at the exchange."""
        await self.account.inner.place_order(
            OrderRequest(
                client_order_id=f"{BY_HAND}{next(self._numbers)}",
                symbol=symbol,
                side=Side.of(quantity),
                quantity=abs(quantity),
                reduce_only=reduce_only,
                leverage=1,
                margin_mode=MarginMode.ISOLATED,
                reference_price=self.signal_prices.get(symbol, Decimal(0)),
            )
        )

    async def position(self, symbol: str) -> Decimal:
        """Give the signed quantity that is held, past every fault."""
        held = (await self.account.inner.positions()).value.get(symbol)
        return held.quantity if held else Decimal(0)

    async def liquidate(self, symbol: str) -> None:
        """Move the price just past the position's liquidation price."""
        position = (await self.account.inner.positions()).value[symbol]
        assert position.liquidation_price is not None, f"no price liquidates {symbol}"
        beyond = Decimal("0.999") if position.quantity > 0 else Decimal("1.001")
        self.set_price(symbol, position.liquidation_price * beyond)

    def executed(self) -> list[ExecutedOrder]:
        """Give the engine's orders that were executed, oldest first; those by hand are left out."""
        assert isinstance(self.account.inner, PaperAccount)
        orders = self.account.inner.executed_orders()
        return [order for order in orders if not order.client_order_id.startswith(BY_HAND)]

    def _signal_price(self, symbol: str) -> Known[Decimal] | None:
        price = self.signal_prices.get(symbol)
        return None if price is None else Known(value=price, as_of=self._context.clock.now())


def _no_http() -> ClientSession:
    raise RuntimeError("a paper account talks to nobody")
