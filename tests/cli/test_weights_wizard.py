"""``te configure weights``: questions, typed answers, and what ends up in the file."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.wizards.weights import Row
from tests.cli.wizard_harness import SETTINGS, Wizards


def test_enter_everywhere_keeps_every_weight(wizards: Wizards) -> None:
    result = wizards.configure("weights", "", "", "", "n")
    assert "weight of tradingview, 0.90 of 1.00 left [0.5]" in result.output
    assert "weight of other, 0.50 of 1.00 left [0.1]" in result.output
    assert "nothing changed" in result.output
    assert wizards.settings.read_text() == SETTINGS


def test_leverage_and_weights_are_asked_for_and_summed_up(wizards: Wizards) -> None:
    result = wizards.configure("weights", "25", "4", "0.6", "0.5", "0", "y", "2", "0.2", "", "y")
    assert "more than 20 needs --force" in result.output
    assert "0.40 of 1.00 left" in result.output
    assert "0.5: expected a weight from 0 to 1, and only 0.4 is left" in result.output
    symbols = wizards.tree()["symbols"]
    assert symbols["BTCUSDT"] == {"leverage": 4, "weights": {"tradingview": 0.6, "other": 0}}
    assert symbols["ETHUSDT"] == {"leverage": 2, "weights": {"tradingview": 0.2}}
    assert "80%" in result.output
    assert "2.80" in result.output


def test_a_new_symbol_stands_with_the_others(wizards: Wizards) -> None:
    wizards.configure("weights", "", "", "", "y", "2", "0.2", "", "y")
    text = wizards.settings.read_text()
    assert text.index("[symbols.BTCUSDT]") < text.index("[symbols.ETHUSDT]") < text.index("# ---- limits")
    assert "# tested" in text


def test_weights_are_set_without_a_question(wizards: Wizards) -> None:
    done = wizards.te("configure", "weights", "--set", "TAOUSDT.other=0.25", "--set", "TAOUSDT.leverage=2")
    assert done.exit_code == 0, done.output
    assert wizards.tree()["symbols"]["TAOUSDT"] == {"leverage": 2, "weights": {"other": 0.25}}
    done = wizards.te("configure", "weights", "--set", "BTCUSDT.other=-")
    assert wizards.tree()["symbols"]["BTCUSDT"]["weights"] == {"tradingview": 0.5, "other": 0}
    for wrong in (
        "BTCUSDT.other=0.6",
        "BTCUSDT.nobody=0.1",
        "BTCUSDT.leverage=21",
        "BTCUSDT.leverage=0",
        "BTCUSDT",
    ):
        assert wizards.te("configure", "weights", "--set", wrong).exit_code == 2
    forced = wizards.te("configure", "weights", "--force", "--set", "BTCUSDT.leverage=25")
    assert forced.exit_code == 0


def test_more_than_every_exchange_allows_is_refused() -> None:
    row = Row("BTCUSDT", 1, {}, (1, {}), new=False, most=25)
    row.set_leverage("25", force=True)
    with pytest.raises(ValueError, match="no account's exchange allows more than 25"):
        row.set_leverage("26", force=True)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.decimals(-1, 2, places=2)), max_size=12))
def test_weights_never_make_more_than_one(answers: list[tuple[str, Decimal]]) -> None:
    row = Row("BTCUSDT", 1, {}, (1, {}), new=False)
    for source, weight in answers:
        try:
            row.set_weight(source, str(weight))
        except ValueError:
            assert weight < 0 or weight > row.left(source)
    assert 0 <= row.total <= 1
