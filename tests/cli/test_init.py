"""`te init`: from an empty folder to valid settings, by answers or by options."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from te_core.cli.main import app
from te_core.settings.schema import Settings
from te_core.setup.answers import Answers, Instance, NewSource, suggested_weight, words
from te_core.setup.settings_file import secrets_text, settings_text
from te_core.wizards import init


class Empty:
    """An empty folder, and `te` in it."""

    def __init__(self, folder: Path) -> None:
        self.settings = folder / "settings.toml"
        self.secrets = folder / ".secrets.toml"

    def te(self, *arguments: str, answers: Sequence[str] = ()) -> Result:
        typed = "".join(f"{answer}\n" for answer in answers)
        return CliRunner().invoke(app, ["--settings", str(self.settings), *arguments], input=typed)

    def tree(self) -> Any:
        return tomllib.loads(self.settings.read_text())

    def hidden(self) -> Any:
        return tomllib.loads(self.secrets.read_text())


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Empty:
    for name in [name for name in os.environ if name.startswith("TE_")]:
        monkeypatch.delenv(name)
    return Empty(tmp_path)


def test_enter_five_times_gives_settings_that_hold(empty: Empty) -> None:
    shown = empty.te("init", answers=[""] * 5)
    assert shown.exit_code == 0, shown.output
    tree = empty.tree()
    assert {name: source["plugin"] for name, source in tree["sources"].items()} == {
        "tradingview": "tradingview"
    }
    assert tree["sources"]["tradingview"]["symbols"]["ETHUSDT.P"] == "ETHUSDT"
    assert list(tree["accounts"]) == ["paper"]
    assert tree["symbols"]["BTCUSDT"] == {"leverage": 2, "weights": {"tradingview": 0.3}}
    assert tree["limits"]["leverage"] == 2
    assert stat.S_IMODE(empty.secrets.stat().st_mode) == 0o600
    assert len(empty.hidden()["sources"]["tradingview"]["token"]) > 20
    assert len(empty.hidden()["listen"]["private"]["token"]) > 20
    assert empty.te("check").exit_code == 0


def test_the_end_shows_the_doctors_findings_and_next_commands(empty: Empty) -> None:
    shown = empty.te("init", "--yes")
    assert "round trip" in shown.stdout
    where = f"te --settings {empty.settings}"
    assert f"  {where} run\n" in shown.stdout
    assert f"  {where} plan\n" in shown.stdout
    assert "curl -sS -X POST" in shown.stdout
    assert empty.hidden()["sources"]["tradingview"]["token"] not in shown.output


def test_paper_and_a_source_that_only_listens_are_offered_first(empty: Empty) -> None:
    shown = empty.te("init", answers=[""] * 5).stdout
    listed = [line.split()[0] for line in shown.splitlines() if line.startswith("  ") and line.strip()]
    assert (
        listed.index("tradingview")
        < listed.index("bittensor")
        < listed.index("paper")
        < listed.index("bybit")
    )


def test_every_question_has_an_option(empty: Empty) -> None:
    shown = empty.te(
        *("init", "--source", "bittensor", "--exchange", "bybit", "--exchange", "paper"),
        *("--symbol", "btcusdt", "--symbol", "XRPUSDT", "--leverage", "4", "--weight", "0.25"),
        *("--set", "bittensor.url=http://127.0.0.1:9/positions", "--set", "bittensor.api_key=validator's"),
        *(
            "--set",
            "bybit.api_key=k-1234567",
            "--set",
            "bybit.secret=s-1234567",
            "--set",
            "bybit.url=http://127.0.0.1:9",
        ),
        *("--set", "paper.balance=500"),
    )
    assert empty.settings.exists(), shown.output
    tree, hidden = empty.tree(), empty.hidden()
    assert tree["sources"]["bittensor"]["symbols"] == {
        "BTCUSDC": "BTCUSDT", "BTCUSD": "BTCUSDT", "XRPUSDC": "XRPUSDT", "XRPUSD": "XRPUSDT",
    }  # fmt: skip
    assert list(tree["accounts"]) == ["bybit", "paper"]
    assert tree["accounts"]["paper"]["balance"] == 500
    assert tree["symbols"]["XRPUSDT"] == {"leverage": 4, "weights": {"bittensor": 0.25}}
    assert hidden["accounts"]["bybit"] == {"api_key": "k-1234567", "secret": "s-1234567"}
    assert hidden["sources"]["bittensor"] == {"api_key": "validator's"}
    assert "k-1234567" not in empty.settings.read_text() + shown.output


def test_a_wrong_answer_is_explained_and_asked_for_again(empty: Empty) -> None:
    shown = empty.te(
        *("init",),
        answers=[
            "tradingviw",
            "tradingview",
            "paper, bybit",
            "BTC/USDT",
            "BTCUSDT",
            "0",
            "3",
            "1.5",
            "0.5",
            "k",
            "s",
        ],
    )
    assert "did you mean 'tradingview'" in shown.stderr
    assert "'BTC/USDT': expected letters and digits only" in shown.stderr
    assert "a whole number from 1 to 100" in shown.stderr
    assert "at most 1:" in shown.stderr
    assert empty.tree()["symbols"] == {"BTCUSDT": {"leverage": 3, "weights": {"tradingview": 0.5}}}
    assert empty.hidden()["accounts"]["bybit"] == {"api_key": "k", "secret": "s"}


def test_skipped_values_are_noted_in_the_file_and_the_rest_runs(empty: Empty) -> None:
    shown = empty.te("init", answers=["tradingview bittensor", "paper kucoin", "", "", "", "", ""])
    assert shown.exit_code == 0, shown.output
    text = empty.settings.read_text()
    assert "# url: missing; set it with  te configure bittensor" in text
    assert "# api_key: missing; set it with  te configure kucoin" in text
    assert empty.tree()["sources"]["bittensor"]["enabled"] is False
    checked = empty.te("check")
    assert checked.exit_code == 1
    assert "sources that can run: tradingview" in checked.stdout
    assert "accounts that can run: paper" in checked.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--exchange", "papper"], "did you mean 'paper'"),
        (["--weight", "2"], "weight of each source: expected more than 0 and at most 1"),
        (["--leverage", "x"], "leverage: expected a whole number"),
        (["--set", "bybit.api_key=x"], "--set bybit: it is not one of the chosen: tradingview, paper"),
        (["--set", "paper.balence=1"], "--set paper.balence: unknown key; did you mean 'balance'?"),
        (["--set", "balance=1"], "expected NAME.KEY=VALUE"),
    ],
)
def test_an_option_that_does_not_hold_writes_nothing(empty: Empty, arguments: list[str], reason: str) -> None:
    shown = empty.te("init", "--yes", *arguments)
    assert shown.exit_code == 2
    assert reason in shown.stderr
    assert not empty.settings.exists()
    assert not empty.secrets.exists()


def test_nothing_that_is_there_is_written_over(empty: Empty) -> None:
    empty.settings.write_text("# mine\n")
    shown = empty.te("init", "--yes")
    assert (shown.exit_code, empty.settings.read_text()) == (2, "# mine\n")
    assert "exists already" in shown.stderr
    empty.settings.unlink()
    empty.secrets.write_text("# mine too\n")
    assert empty.te("init", "--yes").exit_code == 2
    assert empty.secrets.read_text() == "# mine too\n"
    assert not empty.settings.exists()


def test_giving_up_writes_nothing(empty: Empty) -> None:
    assert empty.te("init", answers=["", ""]).exit_code == 1
    assert not empty.settings.exists()


def test_run_offers_it_at_a_terminal_and_names_it_elsewhere(
    empty: Empty, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = empty.te("run")
    assert refused.exit_code == 2
    assert "create one with te init" in refused.stderr
    monkeypatch.setattr(init, "_at_a_terminal", lambda: True)
    ran = []
    monkeypatch.setattr("te_core.app.process.run_to_the_end", lambda _, main: ran.append(main.close()))
    assert empty.te("run", answers=["n"]).exit_code == 0
    assert not empty.settings.exists()
    shown = empty.te("run", answers=["y", *[""] * 5])
    assert "Answer a few questions" in shown.stdout
    assert (len(ran), empty.settings.exists()) == (2, True)


def test_a_section_can_be_configured_before_there_are_settings(empty: Empty) -> None:
    shown = empty.te("configure", "paper", "--set", "balance=700")
    assert shown.exit_code == 0, shown.output
    assert empty.tree() == {"accounts": {"paper": {"plugin": "paper", "balance": 700}}}
    assert empty.settings.read_text().startswith("# The engine's settings.")


@given(st.integers(1, 60), st.integers(1, 5))
def test_the_suggested_weight_never_uses_up_the_account(symbols: int, sources: int) -> None:
    weight = suggested_weight(symbols=symbols, sources=sources)
    assert Decimal("0.01") <= weight <= Decimal("0.30")
    assert weight * symbols * sources <= Decimal("0.9") or weight == Decimal("0.01")


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_symbols = st.lists(st.from_regex(r"[A-Z0-9]{2,12}", fullmatch=True), min_size=1, max_size=4, unique=True)


@given(symbols=_symbols, spelling=_text, value=_text, leverage=st.integers(1, 100))
def test_what_is_written_is_read_back_as_it_was_answered(
    symbols: list[str], spelling: str, value: str, leverage: int
) -> None:
    answers = Answers(
        sources=[
            NewSource(name="a", options={"x": value}, spellings={spelling: symbols[0]}, hidden={"t": value})
        ],
        accounts=[Instance(name="b", missing=["key"])],
        symbols=symbols,
        leverage=leverage,
        weight=Decimal("0.05"),
    )
    tree = tomllib.loads(settings_text(answers))
    assert tree["sources"]["a"] == {"plugin": "a", "x": value, "symbols": {spelling: symbols[0]}}
    assert list(Settings.model_validate(tree).symbols) == symbols
    assert tomllib.loads(secrets_text(answers))["sources"]["a"] == {"t": value}


def test_names_may_be_separated_in_any_way() -> None:
    assert words("a, b  c,b") == ["a", "b", "c"]
