"""Entry point of the plugin ``bybit``."""

from __future__ import annotations

from datetime import timedelta

from te_core.api import Capabilities, FlowKind
from te_exchange_bybit.adapter import BybitAdapter
from te_exchange_bybit.options import BybitOptions
from te_exchange_ccxt.api import exchange_spec, offer

CAPABILITIES = Capabilities(
    # 5 s receive window, 0.5 s of clock skew that is not corrected, 4 s by which reads were seen behind pushes.
    visibility_window=timedelta(seconds=10),
    private_stream=True,
    tells_fees=True,
    cash_flows=frozenset({FlowKind.FUNDING, FlowKind.DEPOSIT, FlowKind.WITHDRAWAL}),
    stops=True,
)

BYBIT = exchange_spec(
    "bybit",
    BybitAdapter,
    BybitOptions,
    capabilities=CAPABILITIES,
    summary="Bybit: unified accounts, linear perpetuals; testnet and demo",
)
te_exchanges = offer(BYBIT)
