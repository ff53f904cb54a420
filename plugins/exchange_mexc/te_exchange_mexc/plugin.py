"""Entry point of the plugin ``mexc``."""

from __future__ import annotations

from datetime import timedelta

from te_core.api import Capabilities, FlowKind
from te_exchange_ccxt.api import exchange_spec, offer
from te_exchange_mexc.adapter import MexcAdapter
from te_exchange_mexc.options import MexcOptions

CAPABILITIES = Capabilities(
    # 10 s receive window, 0.5 s of clock skew that is not corrected, 4 s until an order is visible.
    visibility_window=timedelta(seconds=15),
    leverage_in_order=True,
    private_stream=True,
    tells_fees=True,
    cash_flows=frozenset({FlowKind.FUNDING, FlowKind.DEPOSIT, FlowKind.WITHDRAWAL}),
    # MEXC documents what happens to a second order with the same externalOid for batches only.
    duplicate_ids_refused=False,
)

MEXC = exchange_spec(
    "mexc",
    MexcAdapter,
    MexcOptions,
    capabilities=CAPABILITIES,
    summary="MEXC: USDT perpetuals",
)
te_exchanges = offer(MEXC)
