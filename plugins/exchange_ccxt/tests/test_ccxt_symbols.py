"""Spellings: the engine's and ccxt's, one to one or not at all."""

from __future__ import annotations

from typing import Any

from te_exchange_ccxt.symbols import Symbols


def market(base: str, quote: str = "USDT", coin: str = "USDT", **more: Any) -> dict[str, Any]:
    found = {
        "symbol": f"{base}/{quote}:{coin}",
        "base": base,
        "quote": quote,
        "settle": coin,
        "swap": True,
        "linear": True,
        "active": True,
    }
    return found | more


def test_base_and_quote_make_the_engines_symbol() -> None:
    symbols = Symbols([market("BTC"), market("ETH")], "USDT")
    found = symbols.market("BTCUSDT")
    assert found is not None
    assert found["symbol"] == "BTC/USDT:USDT"
    assert symbols.engine("ETH/USDT:USDT") == "ETHUSDT"
    assert symbols.market("ADAUSDT") is None
    assert symbols.engine("ADA/USDT:USDT") is None


def test_a_multiplied_contract_is_a_different_symbol() -> None:
    symbols = Symbols([market("1000PEPE")], "USDT")
    assert symbols.market("PEPEUSDT") is None
    assert symbols.market("1000PEPEUSDT") is not None


def test_only_perpetuals_that_pay_in_the_settle_coin_are_known() -> None:
    others = [
        market("BTC", coin="BTC", linear=False),
        market("BTC", "USDC", "USDC"),
        market("BTC", swap=False, future=True, symbol="BTC/USDT:USDT-261225"),
        market("ETH", swap=False, spot=True, symbol="ETH/USDT"),
    ]
    assert len(Symbols(others, "USDT")) == 0
    assert Symbols(others, "USDC").market("BTCUSDC") is not None


def test_two_active_markets_with_one_spelling_are_neither() -> None:
    twins = [market("AB", "CUSDT", "CUSDT", symbol="1"), market("ABC", "USDT", symbol="2")]
    assert Symbols(twins, "USDT").engine("2") == "ABCUSDT"
    both = [market("ABC", symbol="1"), market("ABC", symbol="2")]
    symbols = Symbols(both, "USDT")
    assert symbols.ambiguous == {"ABCUSDT"}
    assert symbols.market("ABCUSDT") is None


def test_a_delisted_twin_does_not_hide_the_active_one() -> None:
    for order in ((0, 1), (1, 0)):
        twins = [market("ABC", symbol="old", active=False), market("ABC", symbol="new")]
        symbols = Symbols([twins[index] for index in order], "USDT")
        found = symbols.market("ABCUSDT")
        assert found is not None
        assert found["symbol"] == "new"
        assert symbols.ambiguous == set()
