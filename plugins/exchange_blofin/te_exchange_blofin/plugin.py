"""Entry point of the plugin ``blofin``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from te_core.api import Capabilities, FlowKind
from te_exchange_blofin.adapter import BlofinAdapter
from te_exchange_blofin.copy_trading import CopyTradingAdapter
from te_exchange_blofin.options import BlofinOptions
from te_exchange_ccxt.api import exchange_spec, offer

CAPABILITIES = Capabilities(
    # 60 s receive window less 45 s of backdating, 0.5 s of clock skew, 4 s until an order is visible.
    visibility_window=timedelta(seconds=20),
    private_stream=True,
    tells_fees=True,
    cash_flows=frozenset({FlowKind.DEPOSIT, FlowKind.WITHDRAWAL}),
    stops=True,
)


def capabilities_by(options: BlofinOptions) -> Capabilities:
    """Return the capabilities of an account: in copy trading no stop can be found again by its client order id."""
    return replace(CAPABILITIES, stops=False) if options.account_type == "copy_trading" else CAPABILITIES


def adapter_for(options: BlofinOptions) -> BlofinAdapter:
    """Return the adapter of the account type that the settings name."""
    return CopyTradingAdapter(options) if options.account_type == "copy_trading" else BlofinAdapter(options)


BLOFIN = exchange_spec(
    "blofin",
    adapter_for,
    BlofinOptions,
    capabilities=CAPABILITIES,
    capabilities_by=capabilities_by,
    summary="BloFin: futures and copy-trading accounts, USDT perpetuals; demo",
)
te_exchanges = offer(BLOFIN)
