"""Entry point of the plugin ``ccxt``: any perpetual exchange that ccxt supports, by its id."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from te_core.api import Capabilities
from te_exchange_ccxt.adapter.generic import GenericAdapter, GenericOptions
from te_exchange_ccxt.adapter.profiles import profile_of
from te_exchange_ccxt.spec import exchange_spec, offer

CAPABILITIES = Capabilities(
    # For an unknown exchange: 10 s receive window, 0.5 s of clock skew, 4 s until an order is visible.
    visibility_window=timedelta(seconds=15),
    private_stream=True,
    duplicate_ids_refused=False,  # not relied on
)


def capabilities_by(options: GenericOptions) -> Capabilities:
    """Return the capabilities of the exchange that the settings name."""
    profile = profile_of(options.exchange)
    return replace(CAPABILITIES, client_order_ids=profile.ids, hedge_mode=not profile.one_way_only)


CCXT = exchange_spec(
    "ccxt",
    GenericAdapter,
    GenericOptions,
    capabilities=CAPABILITIES,
    capabilities_by=capabilities_by,
    summary="any perpetual exchange that ccxt supports, by its id",
)
te_exchanges = offer(CCXT)
