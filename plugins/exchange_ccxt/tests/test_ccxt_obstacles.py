"""Why a market accepts no orders."""

from __future__ import annotations

import pytest

from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter
from te_exchange_ccxt.options import CcxtOptions
from te_exchange_ccxt.parsing import Row


class Whimsical(ExchangeAdapter):
    def obstacle(self, market: Row) -> str:
        return "not on Sundays" if market.get("sunday") else super().obstacle(market)


@pytest.mark.parametrize(
    ("market", "why"),
    [
        ({"active": True}, ""),
        ({"active": None}, ""),
        ({}, ""),
        ({"active": False}, "it is listed, but closed to trading"),
        ({"active": True, "sunday": True}, "not on Sundays"),
    ],
)
def test_a_market_is_tradable_unless_it_has_an_obstacle(market: Row, why: str) -> None:
    adapter = Whimsical(CcxtOptions.model_validate({"api_key": "K", "secret": "S"}))
    assert adapter.obstacle(market) == why
    assert adapter.tradable(market) == (not why)
