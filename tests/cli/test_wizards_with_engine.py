"""Wizards next to a running engine: what they preview before writing, and what the engine then does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from te_core.cli.main import app


@pytest.fixture
def te(engine: Any) -> Any:
    """Run a command on the engine's settings, with answers typed in."""

    def run(*arguments: str, answers: str = "") -> Result:
        settings = ["--settings", str(engine.folder.settings)]
        return CliRunner().invoke(app, [*settings, *arguments], input=answers)

    return run


@pytest.mark.real_clock
def test_weights_show_what_they_order_and_what_the_engine_did(te: Any) -> None:
    sent = te(
        "signal", "send", *("--symbol", "BTCUSDT.P", "--direction", "long", "--size", "1", "--price", "50000")
    )
    assert sent.exit_code == 0, sent.output
    result = te("configure", "weights", answers="\n0.25\n\n\nn\n")
    assert result.exit_code == 1
    assert "What this orders" in result.output
    assert "sell 0.15" in result.output, "a quarter instead of a half of 10,000 at leverage 3 and 50,000"
    result = te("configure", "weights", answers="\n0.25\n\n\ny\n")
    assert result.exit_code == 0, result.output
    assert "the running engine applied it: update symbols.BTCUSDT" in result.output
    result = te("configure", "weights", answers="\n\n\n0.4\ny\n")
    assert "on every account: nothing to do now" in result.output
    assert "applied it: update symbols.ETHUSDT" in result.output


@pytest.mark.real_clock
def test_a_removed_symbol_shows_what_is_closed(te: Any) -> None:
    sent = te(
        "signal", "send", *("--symbol", "ETHUSDT.P", "--direction", "long", "--size", "1", "--price", "2000")
    )
    assert sent.exit_code == 0, sent.output
    result = te("remove", "symbol", "ETHUSDT", answers="n\n")
    assert result.exit_code == 1
    assert "reduce-only" in result.output
    assert re.search(r"^paper +[\d.]+ *$", result.output, re.M), "the size that is held, and nothing else"


@pytest.mark.real_clock
def test_a_symbol_is_added_while_the_engine_runs(te: Any, engine: Any) -> None:
    added = te("add", "symbol", "TAOUSDT", "--weight", "tradingview=0.1", "--leverage", "2", "--yes")
    assert added.exit_code == 0, added.output
    assert "offered" in added.output
    assert "rebuild sources.tradingview; update symbols.TAOUSDT" in added.output
    assert engine.folder.json("status")["symbols"]["TAOUSDT"]["leverage"] == "2"


@pytest.mark.real_clock
def test_what_needs_a_restart_is_shown_with_the_command(te: Any, engine: Any) -> None:
    result = te("configure", "listen", "--set", "public.trusted_proxies=127.0.0.1")
    assert result.exit_code == 0, result.output
    assert "listen.public has changed: restart the engine to apply it" in result.output
    assert "pm2 restart" in result.output
    result = te("settings", "undo", "--yes")
    assert "the running engine applied it" in result.output


@pytest.mark.real_clock
def test_a_token_unknown_to_the_engine_needs_a_restart(te: Any, engine: Any) -> None:
    secrets = engine.folder.path / ".secrets.toml"
    before = secrets.read_text()
    try:
        result = te("configure", "listen", "--set", "private.token=another-one-of-24-letters")
        assert result.exit_code == 0, result.output
        assert "cannot be reached with these settings: restart it" in result.output
        assert "another-one" not in result.output
    finally:
        secrets.write_text(before)


@pytest.mark.real_clock
def test_check_knows_what_the_accounts_of_the_engine_allow(te: Any, engine: Any) -> None:
    """A paper account accepts any leverage; the limit of the settings is the one that counts there."""
    assert te("configure", "limits", "--set", "leverage=5").exit_code == 0
    result = te("configure", "weights", "--set", "BTCUSDT.leverage=6")
    assert "symbols.BTCUSDT.leverage is 6, and no account allows more than 5" in result.output
    assert "no account allows more than 5" in te("check").output
    assert te("configure", "weights", "--set", "BTCUSDT.leverage=3").exit_code == 0
    assert "no account allows" not in te("check").output
