"""Entry point of the plugin ``kucoin``."""

from __future__ import annotations

from datetime import timedelta

from te_core.api import Capabilities, FlowKind
from te_exchange_ccxt.api import exchange_spec, offer
from te_exchange_kucoin.adapter import KucoinAdapter
from te_exchange_kucoin.options import KucoinOptions

CAPABILITIES = Capabilities(
    # 5 s receive window, 0.5 s of clock skew that is not corrected, 4 s until an order is visible.
    visibility_window=timedelta(seconds=10),
    private_stream=True,
    tells_fees=True,
    cash_flows=frozenset({FlowKind.FUNDING, FlowKind.DEPOSIT, FlowKind.WITHDRAWAL}),
    stops=True,
)

KUCOIN = exchange_spec(
    "kucoin",
    KucoinAdapter,
    KucoinOptions,
    capabilities=CAPABILITIES,
    summary="KuCoin Futures: classic accounts, linear perpetuals",
)
te_exchanges = offer(KUCOIN)
