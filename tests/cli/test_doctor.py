"""``te doctor`` with and without an engine."""

from __future__ import annotations

import json
from typing import Any


def test_the_doctor_asks_the_running_engine(engine: Any) -> None:
    result = engine.folder.te("doctor", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    checks = [finding["check"] for finding in answer["accounts"]["paper"]]
    assert checks[:2] == ["round trip", "equity"]
    assert {"disk", "files", "tls", "tokens"} <= {finding["check"] for finding in answer["machine"]}
    assert "no engine is running" not in result.stderr


def test_without_an_engine_it_connects_by_itself(folder: Any) -> None:
    result = folder.te("doctor", "--account", "paper")
    assert result.exit_code == 0, result.output
    assert "no engine is running" in result.stderr
    assert "equity" in result.stdout


def test_the_machine_is_checked_without_an_engine_too(folder: Any) -> None:
    everything = folder.te("doctor")
    assert "Machine" in everything.stdout
    assert "GiB are free" in everything.stdout
    (folder.state.parent / ".secrets.toml").touch(0o644)
    (folder.state.parent / ".secrets.toml").chmod(0o644)
    assert "mode 0644" in " ".join(folder.te("doctor").stdout.split())
    assert json.loads(folder.te("doctor", "--account", "paper", "--json").stdout)["machine"] == []


def test_an_unknown_account_names_the_known_ones(folder: Any) -> None:
    result = folder.te("doctor", "--account", "nobody")
    assert result.exit_code == 1
    assert "paper" in result.stderr


def test_an_unusable_account_is_an_error_with_its_reason(folder: Any) -> None:
    folder.edit('plugin = "paper"', 'plugin = "papyrus"')
    result = folder.te("doctor")
    assert result.exit_code == 1
    assert "papyrus" in result.stdout


def test_a_folder_that_cannot_be_made_is_found_too(folder: Any) -> None:
    folder.state.mkdir(exist_ok=True)
    (folder.state / "accounts").write_text("no folder")
    result = folder.te("doctor", "--account", "paper", "--json")
    assert result.exit_code == 1
    [found] = json.loads(result.stdout)["accounts"]["paper"]
    assert str(folder.state / "accounts" / "paper") in found["text"]
