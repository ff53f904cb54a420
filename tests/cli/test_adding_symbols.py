"""``te add symbol`` and ``te remove symbol``: mapping, weight and leverage in one step."""

from __future__ import annotations

import pytest

from tests.cli.wizard_harness import MAPPED, SETTINGS, Wizards


def test_a_symbol_is_added_with_mapping_weight_and_leverage(wizards: Wizards) -> None:
    more = ("--from", "tradingview:TAOUSDT.P", "--weight", "tradingview=0.2", "--weight", "other=0.1")
    result = wizards.te("add", "symbol", "taousdt", *more, "--leverage", "2")
    assert result.exit_code == 0, result.output
    assert wizards.mapping() == [*MAPPED, ("TAOUSDT.P", "TAOUSDT")]
    assert wizards.mapping("other") == [("TAOUSDT", "TAOUSDT")]
    weights = {"tradingview": 0.2, "other": 0.1}
    assert wizards.tree()["symbols"]["TAOUSDT"] == {"leverage": 2, "weights": weights}
    assert "asking paper" in result.output


def test_what_is_missing_is_asked_for(wizards: Wizards) -> None:
    result = wizards.te("add", "symbol", "TAOUSDT", answers="2\n0.3\nTAOUSDT.P\n\ny\n")
    assert result.exit_code == 0, result.output
    assert wizards.mapping() == [*MAPPED, ("TAOUSDT.P", "TAOUSDT")]
    assert wizards.mapping("other") == []
    assert wizards.tree()["symbols"]["TAOUSDT"] == {"leverage": 2, "weights": {"tradingview": 0.3}}


@pytest.mark.real_clock
def test_a_symbol_that_an_account_does_not_offer_is_asked_about(
    keyed: Wizards, bybit: dict[str, str]
) -> None:
    key = ("--set", f"main.api_key={bybit['api_key']}", "--set", f"main.secret={bybit['secret']}")
    assert keyed.te("configure", "credentials", "--no-try", *key).exit_code == 0
    before = keyed.settings.read_text()
    result = keyed.te("add", "symbol", "NOSUCHUSDT", "--weight", "tradingview=0.1", answers="n\n")
    assert result.exit_code == 1
    assert "NOSUCHUSDT cannot be traded on every account" in result.output
    assert keyed.settings.read_text() == before


def test_wrong_additions_are_refused(wizards: Wizards) -> None:
    for wrong in (["--weight", "nobody=0.1"], ["--weight", "other=2"], ["--weight", "other=0"]):
        assert wizards.te("add", "symbol", "TAOUSDT", *wrong).exit_code == 2
    assert wizards.te("add", "symbol", "T!", "--weight", "other=0.1").exit_code == 2
    much = wizards.te("add", "symbol", "TAOUSDT", "--weight", "other=0.1", "--leverage", "21")
    assert (much.exit_code, "more than 20 needs --force" in much.stderr) == (2, True)
    assert wizards.settings.read_text() == SETTINGS


def test_a_removed_symbol_is_gone_from_mapping_and_weights(wizards: Wizards) -> None:
    result = wizards.te("remove", "symbol", "BTCUSDT", "--yes")
    assert result.exit_code == 0, result.output
    assert wizards.mapping() == [("ETHUSDT", "ETHUSDT")]
    assert "BTCUSDT" not in wizards.tree().get("symbols", {})
    assert "# ---- limits" in wizards.settings.read_text()
    assert wizards.te("remove", "symbol", "BTCUSDT", "--yes").exit_code == 2


def test_trying_an_account_leaves_the_engines_own_folder_alone(wizards: Wizards) -> None:
    assert wizards.te("add", "symbol", "TAOUSDT", "--weight", "other=0.1", "--yes").exit_code == 0
    assert not (wizards.folder / "state" / "accounts").exists()
