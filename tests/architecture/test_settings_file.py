"""The settings that come with the repo work as they are."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from te_core.settings.schema import Settings


@pytest.fixture(scope="session")
def text(root: Path) -> str:
    return (root / "settings.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def settings(text: str) -> Settings:
    return Settings.model_validate(tomllib.loads(text))


def test_tradingview_steers_one_paper_account(settings: Settings) -> None:
    assert {name: source.plugin for name, source in settings.sources.items()} == {
        "tradingview": "tradingview"
    }
    assert {name: account.plugin for name, account in settings.accounts.items()} == {"paper": "paper"}
    assert set(settings.symbols) == {"BTCUSDT", "ETHUSDT", "SOLUSDT"}
    assert all(symbol.weights["tradingview"] > 0 for symbol in settings.symbols.values())


def test_every_traded_symbol_can_be_reached_by_an_alert(settings: Settings) -> None:
    assert set(settings.symbols) == set(settings.sources["tradingview"].symbols.values())


def test_nothing_listens_outside_the_machine(settings: Settings) -> None:
    assert settings.listen.public.host == settings.listen.private.host == "127.0.0.1"


def test_it_contains_no_secret(text: str) -> None:
    assert not {"token", "secret", "password", "api_key"} & {
        key.strip() for key in _keys(tomllib.loads(text))
    }


def test_what_is_commented_out_is_valid_too(text: str) -> None:
    """Every line ``# key = value`` and ``# [section]`` is valid once uncommented."""
    lines = [line.removeprefix("# ") if _is_offer(line) else line for line in text.splitlines()]
    offered = Settings.model_validate(tomllib.loads("\n".join(lines)))
    assert offered.accounts["bybit-main"].limits.order_notional == 5000
    assert offered.limits.total_exposure == 100_000
    assert offered.sources["tradingview"].on_expiry == "flat"


def _is_offer(line: str) -> bool:
    words = line.removeprefix("# ").split()
    return line.startswith("# ") and bool(words) and (words[0].startswith("[") or words[1:2] == ["="])


def _keys(table: dict[str, object]) -> set[str]:
    nested = [_keys(value) for value in table.values() if isinstance(value, dict)]
    return set(table).union(*nested)
