"""What can be queried while no engine is running."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(scope="module", autouse=True)
def stopped(engine: Any) -> Any:
    """The folder of an engine that carried out an alert and was killed."""
    folder = engine.folder
    folder.te(
        "signal", "send", "--symbol", "ETHUSDT.P", "--direction", "long", "--size", "1", "--price", "2500"
    )
    while not folder.json("status")["accounts"]["paper"]["targets"].get("ETHUSDT", {}).get("confirmed"):
        pass
    return folder


def test_the_journal_answers_for_an_engine_that_is_gone(
    stopped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("te_core.cli.client.Announcement.read", lambda _state: None)
    monkeypatch.setattr("te_core.journal.lock.is_locked", lambda _journal: False)
    status = stopped.te("status", "--json")
    assert "reading the journal" in status.stderr
    state = stopped.json("status")
    assert state["engine"]["status"] == "stopped"
    assert state["sources"]["tradingview"]["signals"]["ETHUSDT"]["depth"] == "1"
    target = state["accounts"]["paper"]["targets"]["ETHUSDT"]
    assert (target["depth"], target["quantity"], target["confirmed"]) == ("0.5", "2", True)
    assert state["accounts"]["paper"]["positions"] == {}
    shown = stopped.te("status")
    assert shown.exit_code == 3
    assert shown.stdout.startswith(" 1 critical  engine stopped")
    assert "no engine is running" in shown.stdout
    row = next(line for line in shown.stdout.splitlines() if line.startswith("ETHUSDT"))
    assert row.split()[:2] == ["ETHUSDT", "+0.500"]
    assert "? +5k" in row, "what was confirmed last, and is not known now"
    assert "equity 10000 x depth 0.5 x leverage 1 / price 2500 = 2" in stopped.te("explain", "ETHUSDT").stdout
    assert stopped.te("explain", "BTCUSDT").exit_code == 1
    assert stopped.json("signals")["signals"][0]["symbol"] == "ETHUSDT"
    assert stopped.json("signals", "--quarantine") == {"quarantine": []}
    for command in (
        ["plan"],
        ["signal", "send", "--symbol", "ETHUSDT.P", "--direction", "flat"],
        ["status", "--watch"],
    ):
        refused = stopped.te(*command)
        assert refused.exit_code == 3, command
        assert f"te --settings {stopped.settings} run" in refused.stderr


def test_before_the_first_start_there_is_nothing_to_read(folder: Any) -> None:
    for command in ("status", "signals", "explain BTCUSDT"):
        result = folder.te(*command.split())
        assert result.exit_code == 3
        assert "none has run yet, or the folder was moved" in result.stderr
        assert "run" in result.stderr
    assert not folder.state.exists()
