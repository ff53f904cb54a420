"""Why a market takes no orders."""

from __future__ import annotations

import pytest

from te_exchange_ccxt.options import CcxtOptions
from te_exchange_ccxt.venue import Venue
from te_exchange_ccxt.wire import Row


class Whimsical(Venue):
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
def test_a_market_is_tradable_unless_something_stands_against_it(market: Row, why: str) -> None:
    venue = Whimsical(CcxtOptions.model_validate({"api_key": "K", "secret": "S"}))
    assert venue.obstacle(market) == why
    assert venue.tradable(market) == (not why)
