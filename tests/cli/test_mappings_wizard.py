"""``te configure mappings``: questions, typed answers, and what ends up in the file."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.clock import SystemClock
from te_core.journal.journal import Journal
from te_core.model.signal import QuarantinedInput
from te_core.wizards.pairs import base, candidates, doubt, read_pair, refused_spellings
from tests.cli.wizard_harness import MAPPED, SETTINGS, Wizards


def test_enter_everywhere_keeps_every_mapping(wizards: Wizards) -> None:
    result = wizards.configure("mappings", "", "", "")
    assert "nothing changed" in result.output
    assert "BTCUSDT.P" in result.output
    assert wizards.settings.read_text() == SETTINGS


def test_new_pairs_are_typed_in_any_of_three_ways(wizards: Wizards) -> None:
    wizards.configure(
        "mappings", "k", "SOLUSDT SOLUSDT", "TAOUSDT -> TAOUSDT", "DOGEUSD=dogeusdt", "", "", ""
    )
    assert wizards.mapping() == [
        *MAPPED,
        ("SOLUSDT", "SOLUSDT"),
        ("TAOUSDT", "TAOUSDT"),
        ("DOGEUSD", "DOGEUSDT"),
    ]
    assert wizards.mapping("other") == []
    assert "# as charts call them" in wizards.settings.read_text()


def test_each_source_has_a_list_of_its_own(wizards: Wizards) -> None:
    wizards.configure("mappings", "", "", "XBTUSD BTCUSDT", "", "")
    assert wizards.mapping() == MAPPED
    assert wizards.mapping("other") == [("XBTUSD", "BTCUSDT")]


def test_one_by_one_keeps_modifies_and_removes(wizards: Wizards) -> None:
    wizards.configure("mappings", "m", "", "r", "m", "ETHUSDC", "", "", "")
    assert wizards.mapping() == [("BTCUSDT", "BTCUSDT"), ("ETHUSDT", "ETHUSDC")]


def test_starting_fresh_leaves_nothing_of_before(wizards: Wizards) -> None:
    wizards.configure("mappings", "n", "ETHUSDT.P ETHUSDT", "", "", "")
    assert wizards.mapping() == [("ETHUSDT.P", "ETHUSDT")]


def test_a_mapped_spelling_is_updated_only_when_asked_back(wizards: Wizards) -> None:
    wizards.configure("mappings", "", "ethusdt ETHUSDC", "n", "", "")
    assert wizards.mapping() == MAPPED
    wizards.configure("mappings", "", "ethusdt ETHUSDC", "y", "", "", "")
    assert wizards.mapping() == [*MAPPED[:2], ("ETHUSDT", "ETHUSDC")]


def test_another_spelling_of_a_symbol_is_shown_and_replaceable(wizards: Wizards) -> None:
    result = wizards.configure("mappings", "", "ETHUSDT.P ETHUSDT", "b", "", "", "")
    assert "ETHUSDT is ETHUSDT too" in result.output
    assert wizards.mapping() == [*MAPPED, ("ETHUSDT.P", "ETHUSDT")]
    wizards.configure("mappings", "", "BTCUSD BTCUSDT", "r", "", "", "")
    assert wizards.mapping() == [("ETHUSDT", "ETHUSDT"), ("ETHUSDT.P", "ETHUSDT"), ("BTCUSD", "BTCUSDT")]


def test_what_looks_like_a_mistake_is_asked_back(wizards: Wizards) -> None:
    result = wizards.configure("mappings", "", "SOLUSD BTCUSDT", "n", "", "")
    assert "SOLUSD looks like SOL, and BTCUSDT like BTC" in result.output
    assert wizards.mapping() == MAPPED


def test_nonsense_is_explained_and_asked_again(wizards: Wizards) -> None:
    result = wizards.configure("mappings", "x", "k", "a b c", "SOLUSD B!", "SOLUSDT", "", "", "")
    assert "one of k, m, n" in result.output
    assert "expected the source's spelling" in result.output
    assert "letters and digits" in result.output
    assert wizards.mapping() == [*MAPPED, ("SOLUSD", "SOLUSDT")]


def test_refused_alerts_are_proposed(wizards: Wizards) -> None:
    state = wizards.folder / "state"
    state.mkdir()
    reason = '"TAOUSDT.P" is not mapped'
    where = {"source": "tradingview", "field": "symbol", "reason": reason, "body": "{}"}

    async def refuse() -> None:
        journal = Journal.open(
            state / "journal.sqlite3", clock=SystemClock(), new_id=lambda: "j", inline=True
        )
        for _ in range(3):
            await journal.append(QuarantinedInput(received_at=SystemClock().now(), **where))
        journal.close()

    asyncio.run(refuse())
    result = wizards.configure("mappings", "", "y", "", "", "", "")
    assert "3 alerts were refused for TAOUSDT.P. Map it?" in result.output
    assert wizards.mapping() == [*MAPPED, ("TAOUSDT.P", "TAOUSDT")]
    assert "sources.tradingview maps ETHUSDT, TAOUSDT without a weight" in result.output


def test_mappings_are_set_without_a_question(wizards: Wizards) -> None:
    result = wizards.te(
        "configure", "mappings", "--set", "tradingview.TAOUSDT.P=TAOUSDT", "--set", "tradingview.ETHUSDT=-"
    )
    assert result.exit_code == 0, result.output
    assert wizards.mapping() == [*MAPPED[:2], ("TAOUSDT.P", "TAOUSDT")]
    for wrong in ("TAOUSDT=TAOUSDT", "nobody.TAOUSDT=TAOUSDT", "tradingview.TAOUSDT", "tradingview.A=B!"):
        assert wizards.te("configure", "mappings", "--set", wrong).exit_code == 2


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("BTCUSD BTCUSDT", ("BTCUSD", "BTCUSDT")),
        ("  BTCUSD->BTCUSDT ", ("BTCUSD", "BTCUSDT")),
        ('"BTCUSD" = "BTCUSDT"', ("BTCUSD", "BTCUSDT")),
        ("BYBIT:BTCUSDT.P", ("BYBIT:BTCUSDT.P", "")),
    ],
)
def test_a_pair_is_read_however_it_is_typed(text: str, pair: tuple[str, str]) -> None:
    assert read_pair(text) == pair


@pytest.mark.parametrize(
    ("spelling", "coin"),
    [
        ("BTCUSDT", "BTC"),
        ("BYBIT:BTCUSDT.P", "BTC"),
        ("XBTUSDTM", "BTC"),
        ("BTC-USDT-SWAP", "BTC"),
        ("ETH_USDC", "ETH"),
        ("BTCPERP", "BTC"),
        ("XBTUSD", "BTC"),
        ("SHIBUSD", "SHIB"),
        ("1000PEPEUSDT", "1000PEPE"),
        ("USDT", "USDT"),
    ],
)
def test_the_coin_of_a_spelling(spelling: str, coin: str) -> None:
    assert base(spelling) == coin


def test_contracts_on_many_coins_are_not_those_on_one() -> None:
    assert "different amounts" in doubt("PEPEUSDT", "1000PEPEUSDT")
    assert "different amounts" in doubt("SHIBUSDT", "SHIB1000USDT")
    assert doubt("ETHUSD", "ETHUSDT") == ""


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_has_an_answer(spelling: str, symbol: str) -> None:
    assert (doubt(spelling, symbol) == "") == (base(spelling) == base(symbol))


def test_what_is_refused_for_another_reason_is_not_proposed() -> None:
    entries: list[dict[str, Any]] = [
        {"source": "tradingview", "reason": "size: not a number"},
        {"source": "tradingview", "reason": None},
    ]
    assert refused_spellings(entries, "tradingview") == {}


@pytest.mark.parametrize(
    ("spelling", "first"),
    [
        ("BTCUSD", "BTCUSDT"),
        ("BYBIT:ETHUSDC.P", "ETHUSDC"),
        ("XBTUSDTM", "BTCUSDT"),
        ("SOL-USDT-SWAP", "SOLUSDT"),
        ("1000PEPEUSD", "1000PEPEUSDT"),
    ],
)
def test_a_spelling_suggests_a_symbol(spelling: str, first: str) -> None:
    assert candidates(spelling)[0] == first
    assert doubt(spelling, candidates(spelling)[0]) == ""


def test_a_symbol_in_use_is_suggested_before_others() -> None:
    assert candidates("BTCUSD", ["ETHUSDC", "BTCUSDC"])[0] == "BTCUSDC"


def test_enter_takes_what_is_suggested_and_a_dash_does_not(wizards: Wizards) -> None:
    result = wizards.configure("mappings", "", "TAOUSD", "", "SOLUSD", "-", "", "", "")
    assert "your symbol [TAOUSDT], - for none" in result.output
    assert wizards.mapping() == [*MAPPED, ("TAOUSD", "TAOUSDT")]
