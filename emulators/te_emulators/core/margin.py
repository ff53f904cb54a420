"""An account's value, its free margin and its liquidation."""

from __future__ import annotations

from decimal import Decimal

from te_emulators.core.account import Account
from te_emulators.core.market import Market
from te_emulators.core.modes import MarginMode
from te_emulators.core.order import Order
from te_emulators.core.position import Position

ZERO = Decimal(0)


def unrealised(account: Account, market: Market, mode: MarginMode | None = None) -> Decimal:
    """Profit of the open positions at the marks."""
    return sum(
        (p.unrealised(market.mark(p.symbol)) for p in account.held() if mode in {None, p.margin_mode}), ZERO
    )


def equity(account: Account, market: Market) -> Decimal:
    """Wallet and unrealised profit."""
    return account.ledger.wallet + unrealised(account, market)


def position_margin(account: Account, market: Market) -> Decimal:
    """Margin bound by positions."""
    return sum((p.initial_margin(market.mark(p.symbol)) for p in account.held()), ZERO)


def maintenance_margin(account: Account, market: Market, mode: MarginMode | None = None) -> Decimal:
    """Maintenance margin of all positions in ``mode``."""
    return sum(
        (
            p.maintenance_margin(market.mark(p.symbol))
            for p in account.held()
            if mode in {None, p.margin_mode}
        ),
        ZERO,
    )


def order_margin(account: Account) -> Decimal:
    """Margin bound by open orders that may open or increase a position."""
    return sum((_bound_by(order) for order in account.open_orders.values()), ZERO)


def _bound_by(order: Order) -> Decimal:
    if order.request.reduce_only or order.request.price is None:
        return ZERO
    return order.remaining * order.contract_size * order.request.price / order.leverage


def available(account: Account, market: Market) -> Decimal:
    """Margin left for new positions; may be negative."""
    return (
        account.ledger.wallet
        + unrealised(account, market, MarginMode.CROSS)
        - position_margin(account, market)
        - order_margin(account)
    )


def isolated_due(account: Account, market: Market) -> list[Position]:
    """Isolated positions without margin left."""
    return [
        p
        for p in account.held()
        if p.margin_mode is MarginMode.ISOLATED
        and p.margin + p.unrealised(market.mark(p.symbol)) <= p.maintenance_margin(market.mark(p.symbol))
    ]


def cross_due(account: Account, market: Market) -> list[Position]:
    """All cross positions, if their collateral is used up."""
    held = [p for p in account.held() if p.margin_mode is MarginMode.CROSS]
    isolated = sum((p.margin for p in account.held()), ZERO)
    secured = account.ledger.wallet - isolated + unrealised(account, market, MarginMode.CROSS)
    return held if held and secured <= maintenance_margin(account, market, MarginMode.CROSS) else []
