"""The account overview in the form of its route and the wallet topic."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from te_emulators.core import margin
from te_emulators.core.account import Account
from te_emulators.core.exchange import Exchange
from te_emulators.core.modes import MarginMode
from te_emulators.wire.figures import plain

ZERO = Decimal(0)


def overview(exchange: Exchange, account: Account, currency: str) -> dict[str, Any]:
    """accountEquity = marginBalance + unrealisedPNL; coins other than the account's are empty."""
    market = exchange.market
    equity = bound = ordered = profit = free = ZERO
    if currency == account.coin:
        equity, profit = margin.equity(account, market), margin.unrealised(account, market)
        bound, ordered = margin.position_margin(account, market), margin.order_margin(account)
        free = max(margin.available(account, market), ZERO)
    return {
        "accountEquity": equity,
        "unrealisedPNL": profit,
        "marginBalance": equity - profit,
        "positionMargin": bound,
        "orderMargin": ordered,
        "frozenFunds": ZERO,
        "availableBalance": free,
        "currency": currency,
        "riskRatio": margin.maintenance_margin(account, market) / equity if equity > 0 else ZERO,
        "maxWithdrawAmount": free,
    }


def wallet_change(exchange: Exchange, account: Account, version: int) -> dict[str, Any]:
    """Topic /contractAccount/wallet, subject walletBalance.change."""
    market = exchange.market
    held = account.held()
    isolated = sum((p.margin for p in held if p.margin_mode is MarginMode.ISOLATED), ZERO)
    cross = sum(
        (p.initial_margin(market.mark(p.symbol)) for p in held if p.margin_mode is MarginMode.CROSS), ZERO
    )
    figures = {
        "crossPosMargin": cross,
        "isolatedOrderMargin": margin.order_margin(account),
        "holdBalance": ZERO,
        "equity": margin.equity(account, market),
        "availableBalance": max(margin.available(account, market), ZERO),
        "isolatedPosMargin": isolated,
        "walletBalance": account.ledger.wallet,
        "isolatedFundingFeeMargin": ZERO,
        "crossUnPnl": margin.unrealised(account, market, MarginMode.CROSS),
        "totalCrossMargin": account.ledger.wallet - isolated,
        "isolatedUnPnl": margin.unrealised(account, market, MarginMode.ISOLATED),
        "crossOrderMargin": ZERO,
    }
    return {
        **{name: plain(value, 9) for name, value in figures.items()},
        "version": str(version),
        "currency": account.coin,
        "timestamp": str(exchange.clock.ms()),
    }
