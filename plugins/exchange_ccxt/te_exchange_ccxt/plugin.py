"""Offers any exchange that ccxt knows, by its id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from te_core.api import Capabilities, ExchangeSpec, hookimpl
from te_exchange_ccxt.account import account_factory
from te_exchange_ccxt.generic import GenericOptions, GenericVenue
from te_exchange_ccxt.profiles import profile_of

CAPABILITIES = Capabilities(
    # Nothing is known of the exchange: 10 s receive window, 0.5 s of clock skew, 4 s until an order shows.
    visibility_window=timedelta(seconds=15),
    private_stream=True,
    duplicate_ids_refused=False,  # not relied on
)


def capabilities_by(options: GenericOptions) -> Capabilities:
    """Return what is known of the exchange that the settings name."""
    profile = profile_of(options.exchange)
    return replace(CAPABILITIES, client_order_ids=profile.ids, hedge_mode=not profile.one_way_only)


CCXT = ExchangeSpec(
    name="ccxt",
    settings=GenericOptions,
    factory=account_factory(GenericVenue),
    capabilities=CAPABILITIES,
    capabilities_by=capabilities_by,
    currency_by=lambda options: options.settle,
    summary="any perpetual exchange that ccxt knows, by its id",
)


@hookimpl
def te_exchanges() -> Iterable[ExchangeSpec[GenericOptions]]:
    """Offer the exchange named ``ccxt``."""
    yield CCXT
