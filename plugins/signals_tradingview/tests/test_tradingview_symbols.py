"""Symbols are mapped by the settings, and by nothing else."""

from __future__ import annotations

import tomllib

import pytest

from te_core.api import ConfigError, SignalRejected
from te_signals_tradingview.symbols import SymbolMap, normalise


@pytest.mark.parametrize(
    ("spelling", "plain"),
    [
        ("BTCUSDT", "BTCUSDT"),
        ("BTCUSDT.P", "BTCUSDT"),
        ("BYBIT:BTCUSDT.P", "BTCUSDT"),
        ("BINANCE:BTCUSDT", "BTCUSDT"),
        ("btcusdt.p", "BTCUSDT"),
        ("1INCHUSDT.P", "1INCHUSDT"),
        ("OKX:BTCUSDC.P", "BTCUSDC"),
        ("BTCUSD.P", None),
        ("BTCUSD", None),
        ("BTCUSDTPERP", None),
        ("BTCUSDT.PS", None),
        ("XBTUSDTM", None),
        ("BTC-USDT-SWAP", None),
        ("1000PEPEUSDT.P", None),
        ("1000BONKUSDT.P", None),
        ("10000SATSUSDT.P", None),
        ("1MBABYDOGEUSDT.P", None),
        ("SHIB1000USDT.P", None),
        ("BTC1!", None),
        ("ES1!", None),
        ("NYMEX_DL:BTCUSDT", None),
        ("CME_DLY:BTCUSDT", None),
        ("BTCUSDT.P.P", None),
        ("USDT", None),
        ("", None),
        (":", None),
    ],
)
def test_only_linear_symbols_have_a_plain_form(spelling: str, plain: str | None) -> None:
    assert normalise(spelling) == plain


@pytest.mark.parametrize(
    "spelling", ["BTCUSDT", "BTCUSDT.P", "BYBIT:BTCUSDT.P", "btcusdt.p", "BINANCE:BTCUSDT", " BTCUSDT "]
)
def test_one_plain_line_serves_every_spelling(spelling: str) -> None:
    assert SymbolMap({"BTCUSDT": "BTCUSDT"}, source="tv").resolve(spelling) == "BTCUSDT"


def test_the_most_specific_line_decides() -> None:
    symbols = SymbolMap(
        {"BTCUSDT": "A1", "BTCUSDT.P": "A2", "BYBIT:BTCUSDT": "A3", "BYBIT:BTCUSDT.P": "A4"}, source="tv"
    )
    assert symbols.resolve("BYBIT:BTCUSDT.P") == "A4"
    assert symbols.resolve("BYBIT:BTCUSDT") == "A3"
    assert symbols.resolve("OKX:BTCUSDT.P") == "A2"
    assert symbols.resolve("BTCUSDT.P") == "A2"
    assert symbols.resolve("OKX:BTCUSDT") == "A1"
    assert symbols.resolve("BTCUSDT") == "A1"


@pytest.mark.parametrize("spelling", ["BTCUSDT.P", "BTCUSDT", "BINANCE:BTCUSDT", "OKX:BTCUSDT.P"])
def test_a_line_for_the_perpetual_serves_every_spelling_too(spelling: str) -> None:
    assert SymbolMap({"BTCUSDT.P": "BTCUSDT"}, source="tv").resolve(spelling) == "BTCUSDT"


@pytest.mark.parametrize("spelling", ["OKX:BTCUSDT.P", "BTCUSDT.P", "BTCUSDT"])
def test_a_line_for_one_exchange_serves_no_other(spelling: str) -> None:
    symbols = SymbolMap({"BYBIT:BTCUSDT.P": "BTCUSDT"}, source="tv")
    assert symbols.resolve("BYBIT:BTCUSDT") == "BTCUSDT"
    with pytest.raises(SignalRejected):
        symbols.resolve(spelling)


@pytest.mark.parametrize(
    "spelling",
    [
        "BTCUSD.P",
        "BYBIT:BTCUSD.P",
        "XBTUSDTM",
        "BTCUSDTPERP",
        "BTC1!",
        "1000PEPEUSDT.P",
        "NYMEX_DL:BTCUSDT",
        "PEPEUSDT.P",
    ],
)
def test_other_contracts_never_map_silently(spelling: str) -> None:
    near = {"BTCUSD": "BTCUSDT", "BTCUSDT": "BTCUSDT", "1000PEPEUSDT": "PEPEUSDT", "BTC": "BTCUSDT"}
    with pytest.raises(SignalRejected) as refusal:
        SymbolMap(near, source="tv").resolve(spelling)
    assert refusal.value.field == "symbol"


@pytest.mark.parametrize(
    "spelling", ["BTCUSD.P", "XBTUSDTM", "BTC1!", "1000PEPEUSDT.P", "NYMEX_DL:BTCUSDT", "BTC-USDT-SWAP"]
)
def test_every_spelling_maps_by_its_own_line(spelling: str) -> None:
    assert SymbolMap({spelling: "BTCUSDT"}, source="tv").resolve(spelling) == "BTCUSDT"


def test_a_refused_symbol_comes_with_the_command_that_maps_it() -> None:
    with pytest.raises(SignalRejected) as refusal:
        SymbolMap({}, source="tv").resolve("BYBIT:SOLUSDT.P")
    assert refusal.value.hint == "te configure mappings --set tv.BYBIT:SOLUSDT.P=SOLUSDT"


@pytest.mark.parametrize(
    "spelling", [" SOLUSDT.P", 'odd"quote', "$(reboot)", "back\\slash", "línea\tß", "\u2028", "BTC1!"]
)
def test_a_spelling_that_needs_quoting_is_shown_as_toml(spelling: str) -> None:
    with pytest.raises(SignalRejected) as refusal:
        SymbolMap({}, source="tv").resolve(spelling)
    line = refusal.value.hint.partition("symbols needs ")[2].partition(", but only")[0]
    assert list(tomllib.loads(line)) == [spelling]


def test_lines_that_differ_only_in_case_must_agree() -> None:
    assert (
        SymbolMap({"btcusdt": "BTCUSDT", "BTCUSDT": "BTCUSDT"}, source="tv").resolve("BTCUSDT") == "BTCUSDT"
    )
    with pytest.raises(ConfigError, match=r"sources\.tv\.symbols\.BTCUSDT"):
        SymbolMap({"btcusdt": "BTCUSDT", "BTCUSDT": "ETHUSDT"}, source="tv")
