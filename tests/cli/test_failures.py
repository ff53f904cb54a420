"""How commands fail: a reason, a next step, a stable exit code; never a traceback."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from te_core.app.paths import Paths
from te_core.cli import main


def test_every_problem_of_the_settings_is_listed(folder: Any) -> None:
    folder.edit("tradingview = 0.5", "tradingview = 1.5")
    folder.edit("[accounts.paper]", "[acounts.paper]")
    for command in ("run", "check", "status"):
        result = folder.te(command)
        assert result.exit_code == 2, command
        assert "acounts" in result.stderr
        assert "did you mean 'accounts'" in result.stderr
        assert "1.5" in result.stderr
        assert str(folder.settings) in result.stderr
    assert not folder.state.exists()


def test_check_passes_the_settings_that_come_with_a_first_start(folder: Any) -> None:
    result = folder.te("check")
    assert result.exit_code == 0
    assert "sources.tradingview.token is missing: the first `te run` creates one" in result.stderr
    assert not (folder.path / ".secrets.toml").exists()
    assert folder.json("check")["sources"] == ["tradingview"]


def test_check_tells_a_missing_plugin_from_an_installed_one(folder: Any) -> None:
    folder.edit('plugin = "paper"', 'plugin = "papper"')
    result = folder.te("check", "--json")
    assert result.exit_code == 1
    assert "did you mean 'paper'" in json.loads(result.stdout)["unavailable"]["accounts.paper"]


def test_without_a_settings_file_the_way_to_name_one_is_shown(folder: Any) -> None:
    folder.settings.unlink()
    result = folder.te("run")
    assert result.exit_code == 2
    assert "--settings" in result.stderr


def test_a_port_in_use_is_reported_and_no_lock_remains(folder: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        folder.edit("[listen.private]\nport = 0", f"[listen.private]\nport = {port}")
        for _ in range(2):
            result = folder.te("run")
            assert result.exit_code == 2
            assert f"listen.private.port = {port}" in result.stderr
            assert "choose another port" in result.stderr


def test_a_state_folder_that_cannot_be_made_is_reported(folder: Any) -> None:
    folder.state.write_text("a file in the way")
    result = folder.te("run")
    assert result.exit_code == 2
    assert "TE_HOME" in result.stderr


def test_a_damaged_journal_is_reported_and_preserved(folder: Any) -> None:
    folder.state.mkdir()
    journal = folder.state / "journal.sqlite3"
    journal.write_bytes(b"this is not a journal" * 100)
    result = folder.te("run")
    assert result.exit_code == 1
    assert str(journal) in result.stderr
    assert journal.read_bytes() == b"this is not a journal" * 100


def test_wrong_usage_is_code_2(folder: Any) -> None:
    assert folder.te("chek").exit_code == 2
    assert folder.te("explain").exit_code == 2
    assert folder.te("signals", "--limit", "0").exit_code == 2
    assert folder.te("signal", "send", "--symbol", "BTCUSDT").exit_code == 2


def test_an_unforeseen_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("surprise")
    except ValueError as error:
        main._defect(ValueError, error, error.__traceback__)
    said = capsys.readouterr().err
    assert "unexpected ValueError at test_failures.py" in said
    assert "surprise" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("front", [True, False])
def test_settings_may_be_named_before_or_after_the_command(folder: Any, front: bool) -> None:
    from typer.testing import CliRunner

    option = ["--settings", str(folder.settings)] if front else [f"--settings={folder.settings}"]
    arguments = [*option, "check", "--json"] if front else ["check", "--json", *option]
    result = CliRunner().invoke(main.app, arguments)
    assert json.loads(result.stdout)["settings"] == str(folder.settings)


@pytest.mark.parametrize(
    ("given", "env", "settings", "state"),
    [
        (None, {}, "settings.toml", "state"),
        ("my/one.toml", {}, "my/one.toml", "my/state"),
        (None, {"TE_SETTINGS": "/etc/te.toml"}, "/etc/te.toml", "/etc/state"),
        (None, {"TE_HOME": "/srv/te"}, "/srv/te/settings.toml", "/srv/te/state"),
        (None, {"TE_HOME": "/srv/te", "TE_SETTINGS": "/etc/te.toml"}, "/etc/te.toml", "/srv/te/state"),
        ("one.toml", {"TE_HOME": "/srv/te", "TE_SETTINGS": "/etc/te.toml"}, "one.toml", "/srv/te/state"),
    ],
)
def test_the_place_follows_option_and_environment(
    given: str | None, env: dict[str, str], settings: str, state: str
) -> None:
    paths = Paths.find(Path(given) if given else None, env)
    assert (paths.settings, paths.state) == (Path(settings).absolute(), Path(state).absolute())
