"""The operator's commands against a real engine, and without one."""

from __future__ import annotations

import signal
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from te_core.cli import client, direct
from te_core.cli.commanding import seconds
from te_core.cli.failure import Failure


def print_lines(engine: Any, direction: str, size: str = "100/100", symbol: str = "ETHUSDT") -> None:
    sent = engine.folder.te(
        *("signal", "send", "--symbol", f"{symbol}.P", "--direction", direction),
        *("--size", size, "--price", "2500"),
    )
    assert sent.exit_code == 0, sent.output


def held(engine: Any, symbol: str = "ETHUSDT") -> Decimal:
    positions = engine.folder.json("status")["accounts"]["paper"]["positions"]
    return Decimal(positions.get(symbol, {"size": "0"})["size"])


def until_held(engine: Any, quantity: str, symbol: str = "ETHUSDT") -> None:
    """Poll until that quantity is held. The test's time-out is the only clock."""
    while held(engine, symbol) != Decimal(quantity):
        pass


def test_the_day_of_an_operator(engine: Any) -> None:
    te = engine.folder.te
    print_lines(engine, "long")
    until_held(engine, "2")

    halted = te("halt", "--reason", "lunch")
    assert halted.exit_code == 0, halted.output
    assert "all accounts: halted by" in halted.stdout
    status = te("status")
    assert status.exit_code == 1, "a halt is critical, whoever ordered it"
    shown = status.stdout.splitlines()
    assert "engine halted" in shown[0]
    assert "(lunch)" in next(line for line in shown if line.startswith("!"))
    assert "halted" in next(line for line in shown if "ETHUSDT" in line and "paper" in line)

    refused = te("flatten", "paper")
    assert refused.exit_code == 1
    assert "sell 2 reduce-only" in refused.stdout
    assert "nothing was changed" in refused.stderr
    assert held(engine) == 2

    flat = te("flatten", "paper", "--yes", "--reason", "enough")
    assert flat.exit_code == 0, flat.output
    assert "everything that was to be closed is closed" in flat.stdout
    assert held(engine) == 0

    back = te("resume", "paper", "--yes")
    assert back.exit_code == 0, back.output
    assert "lifts: account paper: flattened by" in back.stdout
    assert "buy 1.99 " in back.stdout, "sized afresh, less the fees"
    until_held(engine, "1.99")
    assert "engine ready" in te("status").stdout
    assert "all accounts but paper: halted" in te("status").stdout
    assert te("resume", "--yes").exit_code == 0
    assert "nothing is halted" in te("resume").stdout
    assert "nothing is halted" in te("resume", "paper", "--symbol", "ETHUSDT").stdout
    assert "what was held back is tried again now" in te("resume", "paper").stdout

    assert te("pause", "tradingview").exit_code == 0
    print_lines(engine, "flat")
    assert "paused" in te("status").stdout
    assert held(engine) == Decimal("1.99")
    assert "sell 1.99" in te("resume", "tradingview", "--yes").stdout
    until_held(engine, "0")

    assert te("set-target", "paper", "ethusdt", "0.25", "--for", "1h", "--yes").exit_code == 0
    until_held(engine, "0.99")
    assert te("close", "paper", "ETHUSDT", "--yes").exit_code == 0
    until_held(engine, "0")
    assert te("resume", "--yes").exit_code == 0


def test_what_is_not_there_is_named(engine: Any) -> None:
    te = engine.folder.te
    for arguments, word in [
        (["halt", "nobody"], "accounts.nobody"),
        (["pause", "nobody"], "sources.nobody"),
        (["resume", "nobody"], "nobody"),
        (["set-target", "paper", "DOGEUSDT", "1", "--yes"], "DOGEUSDT"),
        (["set-target", "paper", "ETHUSDT", "2", "--yes"], "depth"),
    ]:
        failed = te(*arguments)
        assert failed.exit_code == 1, arguments
        assert word in failed.stderr


def test_a_halt_without_an_engine_holds_for_the_next_one(
    folder: Any, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    halted = folder.te("halt", "paper", "--symbol", "ethusdt", "--reason", "it died")
    assert halted.exit_code == 0, halted.output
    assert "account paper ETHUSDT: halted by" in halted.stdout
    assert "the next one starts halted" in halted.stderr
    assert folder.te("halt", "nobody").exit_code == 1
    assert "did you mean 'ETHUSDT'" in folder.te("halt", "--symbol", "ETHUSD").stderr
    assert "(it died)" in folder.te("status").stdout
    engine = started(folder)
    assert "engine halted" in folder.te("status").stdout
    monkeypatch.setattr(client, "_TIMEOUT", 0.5)
    engine.process.send_signal(signal.SIGSTOP)
    stuck = folder.te("halt")
    assert stuck.exit_code == 3
    assert f"process {engine.process.pid}" in stuck.stderr
    engine.process.send_signal(signal.SIGCONT)
    monkeypatch.setattr(client, "_TIMEOUT", 10.0)
    assert folder.te("resume", "--yes").exit_code == 0


def test_an_observing_account_is_shown_as_such_and_sends_nothing(folder: Any, started: Any) -> None:
    engine, te = started(folder), folder.te
    print_lines(engine, "long")
    until_held(engine, "2")
    folder.edit('plugin = "paper"\n', 'plugin = "paper"\nobserve = true\n')
    while "engine observing" not in te("status").stdout:
        pass
    print_lines(engine, "long", "50/100")
    while "observing: would sell" not in te("status").stdout:
        pass
    plan = " ".join(te("plan").stdout.split())
    assert "observing" in plan
    assert "reduce-only" in plan
    assert "sends nothing" in te("doctor").stdout
    assert "observing: would" in te("explain", "ETHUSDT").stdout
    refused = te("go", "paper")
    assert refused.exit_code == 1
    assert "observe = true in its settings" in refused.stderr
    flat = te("flatten", "--yes")
    assert flat.exit_code == 0, flat.output
    assert "left open, because an observing account sends no orders: paper: ETHUSDT 2 " in flat.stderr
    assert held(engine) == 2


def test_a_selftest_shows_its_cost_and_asks_twice(folder: Any) -> None:
    folder.edit("balance = 10000\n", "balance = 10000\nprices = { BTCUSDT = 65000, ETHUSDT = 2500 }\n")
    shown = folder.te("selftest", "paper")
    assert shown.exit_code == 1
    assert "4 market orders of " in shown.stdout
    assert "this account's rate" in shown.stdout
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())
    assert "nothing was sent" in shown.stderr
    wrong = folder.te("selftest", "paper", "--send-orders", given="papr\n")
    assert wrong.exit_code == 1
    assert "the typed name is not the account's name" in wrong.stderr
    assert folder.te("selftest", "paper", "--send-orders", given="").exit_code == 1
    sent = folder.te("selftest", "paper", "--symbol", "ethusdt", "--send-orders", given="paper\n")
    assert sent.exit_code == 0, sent.output
    assert "flipped to short, leverage 1" in sent.stderr
    assert "passed: flat again" in sent.stderr


def test_without_an_engine_only_halts_and_a_direct_flatten_work(folder: Any) -> None:
    for command in (["go", "paper"], ["flatten", "--yes"], ["resume"], ["pause", "tradingview"]):
        assert folder.te(*command).exit_code == 3
    assert "--direct" in folder.te("flatten", "--yes").stderr
    flat = folder.te("flatten", "--direct", "--yes", "--reason", "enough")
    assert flat.exit_code == 0, flat.output
    assert "everything that was to be closed is closed" in flat.stdout
    state = folder.json("status")
    assert [command["state"] for command in state["commands"]] == ["flat"]
    shown = folder.te("status").stdout.splitlines()
    assert "(enough)" in next(line for line in shown if line.startswith("!"))


def test_an_unresponsive_engine_is_killed_if_confirmed(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import signal, sys, threading; from pathlib import Path; from te_core.journal.lock import JournalLock;"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); lock = JournalLock(Path(sys.argv[1]));"
        "print('held', flush=True); threading.Event().wait()"
    )
    monkeypatch.setattr(direct, "STOPPING", 0.2)
    folder.state.mkdir(mode=0o700)
    (folder.state / "journal.sqlite3").touch()
    silent = subprocess.Popen(
        [sys.executable, "-c", script, str(folder.state / "journal.sqlite3")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert silent.stdout is not None
    assert silent.stdout.readline() == "held\n"
    left = folder.te("flatten", "--direct")
    assert left.exit_code == 1
    assert f"process {silent.pid}" in left.stderr
    assert "nothing was changed" in left.stderr
    (folder.state / "journal.sqlite3").unlink()
    (folder.state / "journal.sqlite3").touch()
    ended = folder.te("flatten", "--direct", "--yes")
    assert silent.wait(timeout=30) == -signal.SIGKILL
    silent.stdout.close()
    assert "its content lost" in ended.stderr, "this one has no journal to go by"


def test_times_are_written_as_people_write_them() -> None:
    assert [seconds(text) for text in ("90s", "30m", "1.5h", "2d")] == [90, 1800, 5400, 172_800]
    for text in ("1", "h", "1w", "", "1 hour"):
        with pytest.raises(Failure):
            seconds(text)
