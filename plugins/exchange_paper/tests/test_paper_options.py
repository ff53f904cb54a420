"""Settings of a paper account, and the symbols that it offers."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from te_core.api import ExchangeSpec
from te_exchange_paper import plugin
from te_exchange_paper.instruments import _COINS, built_in, instrument
from te_exchange_paper.options import PaperOptions


def options(text: str) -> PaperOptions:
    return PaperOptions.model_validate(tomllib.loads(text))


def test_no_option_is_required() -> None:
    assert options("") == PaperOptions()
    assert PaperOptions().balance == 10_000


def test_numbers_mean_what_was_written() -> None:
    said = options('fee = 0.1e-3\nprices = { BTCUSDT = 0.1, ETHUSDT = "2000.10" }\nbalance = 1')
    assert said.fee == Decimal("0.0001")
    assert said.prices == {"BTCUSDT": Decimal("0.1"), "ETHUSDT": Decimal("2000.10")}


@pytest.mark.parametrize(
    "text",
    [
        "balance = 0",
        "balance = nan",
        "fee = -0.1",
        "fee = 0.5",
        "slippage = 1",
        "maintenance_margin = inf",
        "prices = { BTCUSDT = 0 }",
        'prices = { "btc/usdt" = 5 }',
        "balanse = 5",
        'settle = "usdt"',
        "instruments = { BTCUSDT = { quantity_step = 0 } }",
        "instruments = { BTCUSDT = { step = 1 } }",
        "instruments = { BTCUSDT = { largest_leverage = 0 } }",
    ],
)
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        options(text)


def test_a_symbol_of_ones_own_needs_a_quantity_step() -> None:
    with pytest.raises(ValidationError, match=r"instruments\.FOOUSDT: .* needs quantity_step"):
        options("instruments = { FOOUSDT = { minimum_notional = 5 } }")


def offered(symbol: str, text: str = "") -> Any:
    said = options(text)
    return instrument(symbol, said.settle, said.instruments)


def test_settings_replace_only_what_they_state() -> None:
    plain = offered("BTCUSDT")
    said = offered("BTCUSDT", "instruments = { BTCUSDT = { contract_size = 0.001, largest_leverage = 20 } }")
    assert (said.contract_size, said.largest_leverage) == (Decimal("0.001"), 20)
    assert (said.quantity_step, said.minimum_notional) == (plain.quantity_step, plain.minimum_notional)


def test_settings_add_symbols() -> None:
    said = offered("FOOUSDT", "instruments = { FOOUSDT = { quantity_step = 10 } }")
    assert (said.quantity_step, said.minimum_notional, said.largest_leverage) == (10, 0, None)


def test_the_table_follows_the_settle_currency() -> None:
    assert offered("BTCUSDC") is None
    assert offered("BTCUSDC", 'settle = "USDC"').symbol == "BTCUSDC"
    assert offered("BTCUSDT", 'settle = "USDC"') is None


@pytest.mark.parametrize("coin", _COINS)
def test_the_table_holds_possible_instruments(coin: str) -> None:
    """Its limits agree with each other and with the default maintenance margin."""
    row = built_in(f"{coin}USDT", "USDT")
    assert row is not None
    assert row.largest_market_quantity is not None
    assert row.largest_leverage is not None
    assert row.largest_market_quantity % row.quantity_step == 0
    assert row.minimum_quantity % row.quantity_step == 0
    assert 1 / Decimal(row.largest_leverage) > PaperOptions().maintenance_margin + PaperOptions().slippage


def test_the_plugin_offers_one_exchange_named_paper() -> None:
    (spec,) = plugin.te_exchanges()
    assert isinstance(spec, ExchangeSpec)
    assert (spec.name, spec.kind, spec.settings) == ("paper", "exchange", PaperOptions)
