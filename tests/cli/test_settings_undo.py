"""``te settings undo``: what a command wrote can be undone, without secrets in what is kept."""

from __future__ import annotations

import stat

import pytest

from tests.cli.wizard_harness import SETTINGS, Wizards


def test_what_a_command_wrote_can_be_undone_and_that_too(wizards: Wizards) -> None:
    wizards.te("configure", "weights", "--set", "BTCUSDT.tradingview=0.3")
    changed = wizards.settings.read_text()
    listed = wizards.te("settings", "history")
    assert "1        20" in listed.output
    result = wizards.te("settings", "undo", "--yes")
    assert result.exit_code == 0, result.output
    assert "-weights = { tradingview = 0.3" in result.output
    assert wizards.settings.read_text() == SETTINGS
    wizards.te("settings", "undo", "--yes")
    assert wizards.settings.read_text() == changed
    kept = list((wizards.folder / "state" / "settings").iterdir())
    assert len(kept) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_no_more_versions_are_kept_than_needed(wizards: Wizards, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("te_core.cli.versions.KEPT", 2)
    for weight in ("0.1", "0.2", "0.3", "0.4"):
        wizards.te("configure", "weights", "--set", f"BTCUSDT.tradingview={weight}")
    assert wizards.te("settings", "undo", "3").exit_code == 2
    assert wizards.te("settings", "undo", "2", "--yes").exit_code == 0
    assert wizards.tree()["symbols"]["BTCUSDT"]["weights"]["tradingview"] == 0.2


def test_secrets_are_not_in_the_history_nor_shown_by_undoing(wizards: Wizards) -> None:
    key = "once-in-the-settings-file"
    assert wizards.te("configure", "weights", "--set", "BTCUSDT.tradingview=0.3").exit_code == 0
    wizards.settings.write_text(
        wizards.settings.read_text().replace("# mine", f'plugins = {{}}\nlisten.private.token = "{key}"')
    )
    result = wizards.te("configure", "weights", "--set", "BTCUSDT.tradingview=0.2")
    assert "it contains secrets" in result.output
    result = wizards.te("settings", "undo", "--yes")
    assert result.exit_code == 0, result.output
    assert "-listen.private.token" in result.output
    assert key not in result.output
    assert not any(key in path.read_text() for path in (wizards.folder / "state" / "settings").iterdir())


def test_settings_that_were_broken_by_hand_can_be_undone(wizards: Wizards) -> None:
    wizards.te("configure", "weights", "--set", "BTCUSDT.tradingview=0.3")
    wizards.settings.write_text(
        SETTINGS.replace("leverage = 3", 'levrage = "a-secret-put-in-the-wrong-place"')
    )
    result = wizards.te("settings", "undo", "--yes")
    assert result.exit_code == 0, result.output
    assert "a-secret" not in result.output
    assert wizards.settings.read_text() == SETTINGS
