"""An engine that hangs is not one that has stopped: commands report which process it is, and what can be done."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def hanging(folder: Any, started: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A folder whose engine was halted by the kernel, as by a disk or a machine that hangs."""
    engine = started(folder)
    monkeypatch.setattr("te_core.cli.client._TIMEOUT", 0.2)
    engine.process.send_signal(signal.SIGSTOP)
    folder.pid = engine.process.pid
    yield folder
    engine.process.send_signal(signal.SIGCONT)


def test_the_status_says_so(hanging: Any) -> None:
    shown = hanging.te("status")
    assert shown.exit_code == 3
    told = " ".join(shown.stdout.split())
    assert told.startswith("1 critical engine not answering")
    assert f"!! the engine does not answer Process {hanging.pid} is starting, busy or stuck." in told
    assert "This is the last state in the journal" in told
    assert f"process {hanging.pid}) does not answer; reading the journal" in " ".join(shown.stderr.split())
    assert "no engine is running" not in shown.output
    assert "te run" not in shown.output


@pytest.mark.parametrize(
    "command",
    [
        ("flatten", "--yes"),
        ("halt",),
        ("plan",),
        ("resume", "--yes"),
        ("health",),
        ("page",),
        ("orders",),
        ("explain", "BTCUSDT"),
        ("events", "--follow"),
        ("signal", "send", "--symbol", "ETHUSDT.P", "--direction", "flat"),
        ("doctor",),
    ],
)
def test_no_command_says_that_none_is_running(hanging: Any, command: tuple[str, ...]) -> None:
    told = " ".join(hanging.te(*command).output.split())
    assert f"process {hanging.pid}) does not answer" in told
    assert "no engine is running" not in told
    assert "start it:" not in told


def test_what_the_journal_answers_is_marked_for_assistants(hanging: Any) -> None:
    from te_core.app.paths import Paths
    from te_core.assistant import answers

    found = answers.status(Paths.find(hanging.settings, {}))
    assert f"process {hanging.pid}) does not answer" in found["note"]
