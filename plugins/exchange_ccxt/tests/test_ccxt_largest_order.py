"""The largest market order, if only the exchange's own row contains it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from te_exchange_ccxt.adapter.generic import GenericAdapter, GenericOptions


@pytest.mark.parametrize(
    ("info", "most"),
    [
        ({"lotSizeFilter": {"maxOrderQty": "1190", "maxMktOrderQty": "119"}}, "119"),
        ({"marketMaxOrderQty": 10_000, "maxOrderQty": 1_000_000}, "10000"),
        ({"maxMarketSize": "3500"}, "3500"),
        ({"maxMktSz": "12000", "maxMktAmt": "10"}, "12000"),
        ({"maxMarketOrderQty": "220"}, "220"),
        ({"market_order_size_max": "500"}, "500"),
        ({"maxMktOrderQty": "0", "marketMaxOrderQty": ""}, "2000000"),
        ({"marketplace_maximum": "1"}, "2000000"),
        ({}, "2000000"),
        (None, "2000000"),
    ],
)
def test_the_exchanges_own_name_of_it_is_known(info: Any, most: str) -> None:
    options = {"exchange": "acme", "api_key": "K", "secret": "S"}
    adapter = GenericAdapter(GenericOptions.model_validate(options))
    market = {"limits": {"amount": {"max": "2000000"}}, "info": info}
    assert adapter.largest_market_amount(market) == Decimal(most)


def test_without_any_there_is_none() -> None:
    adapter = GenericAdapter(
        GenericOptions.model_validate({"exchange": "acme", "api_key": "K", "secret": "S"})
    )
    assert adapter.largest_market_amount({"info": {}}) is None
