"""A small exchange for tests of the core: two contracts, sizes in thousandths and tenths of a coin."""

from __future__ import annotations

from decimal import Decimal

from te_emulators.core.account import Account
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.exchange import Exchange
from te_emulators.core.instrument import Instrument
from te_emulators.core.modes import MarginMode, PositionSide, Side
from te_emulators.core.order import OrderRequest
from te_emulators.core.rules import Rules

BTC = Instrument(
    symbol="XBT",
    base="BTC",
    price=Decimal(50_000),
    contract_size=Decimal("0.001"),
    size_step=Decimal(1),
    min_size=Decimal(1),
    max_market_size=Decimal(5_000),
    max_limit_size=Decimal(10_000),
    min_notional=Decimal(60),
    tick=Decimal("0.1"),
    max_leverage=Decimal(100),
)
ETH = Instrument(
    symbol="ETH",
    base="ETH",
    price=Decimal(3_000),
    contract_size=Decimal("0.1"),
    size_step=Decimal("0.1"),
    min_size=Decimal("0.2"),
    max_market_size=Decimal(5_000),
    max_limit_size=Decimal(10_000),
    tick=Decimal("0.01"),
    max_leverage=Decimal(50),
)


def small_exchange(
    mode: MarginMode = MarginMode.CROSS, *, balance: str = "10000", rules: Rules | None = None
) -> tuple[Exchange, Account]:
    """With one account in ``mode`` whose leverage is 10."""
    clock = ExchangeClock(wall=lambda: 1_700_000_000.0, monotonic=lambda: 0.0)
    exchange = Exchange([BTC, ETH], rules=rules, clock=clock)
    account = exchange.open_account(balance=Decimal(balance))
    account.default_margin_mode = mode
    return exchange, account


def order(
    side: Side,
    size: str,
    *,
    symbol: str = "XBT",
    client_id: str | None = None,
    reduce_only: bool = False,
    position_side: PositionSide = PositionSide.NET,
) -> OrderRequest:
    """A market order."""
    return OrderRequest(
        symbol=symbol,
        side=side,
        size=Decimal(size),
        client_id=client_id,
        reduce_only=reduce_only,
        position_side=position_side,
    )
