"""No recorded response is left out unnoticed, and none is listed as checked by a test that does not name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.samples import reader
from tests.samples.accounting import ROOT, complaints, differences, texts, titles
from tests.samples.reader import SAMPLES

TESTS = texts(
    [
        """
CASES = {"order ack": 1}

def helper(name="instruments (all)"):
    return name

@pytest.mark.parametrize("name", CASES)
def test_orders(name): ...

class TestAll:
    async def test_prices(self):
        helper()
        assert sample("ticker BTC")
"""
    ]
)
NAMES = ["order ack", "ticker BTC (recorded)", "instruments (all) of 2024"]
FULL = {
    "order ack": "ack: test_orders",
    "ticker BTC (recorded)": "value: test_prices",
    "instruments (all) of 2024": "shape: test_prices",
}


def test_every_file_of_recorded_answers_has_an_account() -> None:
    tests = "\n".join(file.read_text(encoding="utf-8") for file in ROOT.glob("plugins/*/tests/test_*.py"))
    files = sorted(SAMPLES.glob("*.json"))
    if not files:
        pytest.skip("the recorded answers are not here")
    assert [file.stem for file in files if f'complaints("{file.stem}", ACCOUNT' not in tests] == []


def test_a_full_account_has_nothing_wrong() -> None:
    """Texts are found in parameters, in the test, and in what it calls."""
    assert list(differences(NAMES, FULL, TESTS)) == []


@pytest.mark.parametrize("missing", NAMES)
def test_an_unlisted_entry_is_reported(missing: str) -> None:
    account = {name: how for name, how in FULL.items() if name != missing}
    assert list(differences(NAMES, account, TESTS)) == [f"{missing}: is neither checked nor outside"]


@pytest.mark.parametrize(
    ("how", "wrong"),
    [
        ("value: test_prices", "test_prices does not name it"),
        ("value: test_nothing", "there is no test_nothing"),
        ("seen: test_orders", "seen is not a kind of check"),
        ("outside: ", "has no reason"),
    ],
)
def test_an_entry_that_is_not_checked_as_stated_is_reported(how: str, wrong: str) -> None:
    assert list(differences(NAMES, {**FULL, "order ack": how}, TESTS)) == [f"order ack: {wrong}"]


def test_a_missing_test_is_reported_without_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SAMPLES", Path("absent"))
    assert complaints("bybit", {"order ack": "ack: test_nothing"}) == ["order ack: there is no test_nothing"]


def test_a_missing_entry_is_reported() -> None:
    assert list(differences(NAMES[1:], FULL, TESTS)) == ["order ack: there is no such entry"]


def test_a_reason_is_enough() -> None:
    account = {**FULL, "order ack": "outside: of another product"}
    assert list(differences(NAMES, account, TESTS)) == []


def test_entries_of_one_name_are_told_apart() -> None:
    assert titles(["a", "b", "a"]) == {"a": 0, "b": 1, "a #2": 2}
    assert list(differences([*NAMES, "order ack"], FULL, TESTS)) == [
        "order ack #2: is neither checked nor outside"
    ]
