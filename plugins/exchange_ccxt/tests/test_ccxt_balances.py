"""A balance without the settle coin leaves equity unknown; it is not zero."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from te_core.api import Equity, NotReady
from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter
from te_exchange_ccxt.options import CcxtOptions

UNTOLD = [
    {},
    {"BTC": {"total": "1"}},
    {"USDT": {}},
    {"USDT": {"total": None, "free": "5"}},
    {"USDT": {"total": "?"}},
]


@pytest.fixture
def adapter() -> ExchangeAdapter:
    return ExchangeAdapter(CcxtOptions.model_validate({"api_key": "K", "secret": "S"}))


def test_reported_balances_are_used(adapter: ExchangeAdapter) -> None:
    told = {"USDT": {"total": "12.50", "free": "3"}}
    expected = Equity(wallet=Decimal("12.50"), total=Decimal("12.50"), free=Decimal(3))
    assert adapter.equity(told) == adapter.pushed_equity(told) == expected


def test_nothing_is_an_amount_too(adapter: ExchangeAdapter) -> None:
    assert adapter.equity({"USDT": {"total": "0"}}).total == 0


@pytest.mark.parametrize("balance", UNTOLD)
def test_a_read_without_it_is_not_a_fact(adapter: ExchangeAdapter, balance: Any) -> None:
    with pytest.raises(NotReady, match="no USDT balance; equity is unknown"):
        adapter.equity(balance)


@pytest.mark.parametrize("balance", UNTOLD)
def test_a_push_without_it_changes_nothing(adapter: ExchangeAdapter, balance: Any) -> None:
    assert adapter.pushed_equity(balance) is None
