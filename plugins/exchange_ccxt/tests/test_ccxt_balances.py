"""A balance that does not tell the settle coin is no balance of nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from te_core.api import Equity, NotReady
from te_exchange_ccxt.options import CcxtOptions
from te_exchange_ccxt.venue import Venue

UNTOLD = [
    {},
    {"BTC": {"total": "1"}},
    {"USDT": {}},
    {"USDT": {"total": None, "free": "5"}},
    {"USDT": {"total": "?"}},
]


@pytest.fixture
def venue() -> Venue:
    return Venue(CcxtOptions.model_validate({"api_key": "K", "secret": "S"}))


def test_what_is_told_is_taken(venue: Venue) -> None:
    told = {"USDT": {"total": "12.50", "free": "3"}}
    expected = Equity(wallet=Decimal("12.50"), total=Decimal("12.50"), free=Decimal(3))
    assert venue.equity(told) == venue.pushed_equity(told) == expected


def test_nothing_is_an_amount_too(venue: Venue) -> None:
    assert venue.equity({"USDT": {"total": "0"}}).total == 0


@pytest.mark.parametrize("balance", UNTOLD)
def test_a_read_without_it_gives_no_fact(venue: Venue, balance: Any) -> None:
    with pytest.raises(NotReady, match="no USDT balance; equity is unknown"):
        venue.equity(balance)


@pytest.mark.parametrize("balance", UNTOLD)
def test_a_push_without_it_changes_nothing(venue: Venue, balance: Any) -> None:
    assert venue.pushed_equity(balance) is None
