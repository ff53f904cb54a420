"""The wallet in the form of the balance route and the wallet topic."""

from __future__ import annotations

from typing import Any

from te_emulators.core import margin
from te_emulators.core.account import Account
from te_emulators.core.exchange import Exchange
from te_emulators.core.modes import MarginMode
from te_emulators.wire.figures import plain


def wallet(exchange: Exchange, account: Account) -> dict[str, Any]:
    """One row of the account's coin; the account-wide rates are empty in isolated margin mode."""
    market = exchange.market
    own = account.ledger.wallet
    profit = margin.unrealised(account, market)
    bound = margin.position_margin(account, market)
    ordered = margin.order_margin(account)
    maintenance = margin.maintenance_margin(account, market)
    isolated = account.default_margin_mode is MarginMode.ISOLATED
    equity = own + profit

    def wide(text: str) -> str:
        return "" if isolated else text

    return {
        "totalEquity": plain(equity, 8),
        "accountIMRate": wide(plain((bound + ordered) / equity, 4) if equity else "0"),
        "totalMarginBalance": wide(plain(equity, 8)),
        "totalInitialMargin": wide(plain(bound + ordered, 8)),
        "accountType": "UNIFIED",
        "totalAvailableBalance": wide(plain(margin.available(account, market), 8)),
        "accountMMRate": wide(plain(maintenance / equity, 4) if equity else "0"),
        "totalPerpUPL": plain(profit, 8),
        "totalWalletBalance": plain(own, 8),
        "accountLTV": "0",
        "totalMaintenanceMargin": wide(plain(maintenance, 8)),
        "coin": [
            {
                "availableToBorrow": "",
                "bonus": "0",
                "accruedInterest": "0",
                "availableToWithdraw": "",
                "totalOrderIM": plain(ordered, 8),
                "equity": plain(equity, 8),
                "totalPositionMM": plain(maintenance, 8),
                "usdValue": plain(equity, 8),
                "unrealisedPnl": plain(profit, 8),
                "collateralSwitch": True,
                "spotHedgingQty": "0",
                "borrowAmount": "0.000000000000000000",
                "totalPositionIM": plain(bound, 8),
                "walletBalance": plain(own, 8),
                "cumRealisedPnl": plain(account.ledger.realised - account.ledger.fees, 8),
                "locked": "0",
                "marginCollateral": True,
                "coin": account.coin,
            }
        ],
    }
