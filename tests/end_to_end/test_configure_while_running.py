"""`te configure` at a terminal, next to a running engine that follows a Bittensor validator."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.engine_process import TIMEOUT, EngineProcess, te
from tests.end_to_end.home import PLAIN, Home
from tests.end_to_end.terminal import Terminal

LOOSE = {"min_trades": 3, "min_profitable_rate": 0.2, "max_drawdown_threshold": -1.0}


@pytest.fixture
def validator() -> Iterator[str]:
    """Serve a made-up network; yield the endpoint."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "te_emulators",
            "bittensor",
            "--port",
            "0",
            "--miners",
            "100",
            "--orders",
            "300",
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    with process.stdout:
        yield process.stdout.readline().split()[1] + "/miner-positions"
        process.terminate()
        process.wait(TIMEOUT)


def answered(terminal: Terminal, **answers: str) -> None:
    """Answer every question, most of them by Enter."""
    asked = ""
    while "Write this?" not in asked:
        before = len(terminal.shown)
        terminal.until(r"(now .*|default .*|is set|not set|needed|\[Y/n\]): $")
        asked = terminal.shown[before:]
        name = re.findall(r"(?m)^\W*(?:\x1b\[1m)?([a-z_.]+): ", asked)
        terminal.type(answers.get((name or [""])[0].replace(".", "__"), "") + "\n")


def source(engine: EngineProcess) -> Any:
    return engine.state()["sources"]["sn8"]


def map_the_miners(home: Home) -> None:
    """Query the running engine for the contributors to a depth, in both ways."""
    found = json.loads(te(home, "bittensor", "miners", "--json").stdout)
    ranking = {entry["miner"]: entry for entry in found["ranking"]}
    assert len(ranking) == found["ranked"] > 5
    assert set(found["ranking"][0]["terms"]) == {
        "drawdown",
        "sharpe",
        "total_return",
        "profitable_rate",
        "trades",
        "consistency",
    }
    for entry in ranking.values():
        assert sum(map(float, entry["terms"].values())) == pytest.approx(float(entry["score"]), rel=1e-4)
    assert sum(float(entry["weight"]) for entry in ranking.values()) == pytest.approx(1, rel=1e-3)
    printed = te(home, "bittensor", "miners", "--limit", "3").stdout
    assert found["ranking"][2]["miner"] in printed
    assert found["ranking"][3]["miner"] not in printed
    assert f"and {len(ranking) - 3} more" in printed

    signal = json.loads(te(home, "explain", "BTCUSDT", "--json").stdout)["signals"]["sn8"]
    parts = signal["contributors"]
    assert parts
    assert {part["name"] for part in parts} <= set(ranking)
    if not signal["further_contributors"]:
        assert sum(float(part["part"]) for part in parts) == pytest.approx(float(signal["depth"]), abs=1e-4)
    told = te(home, "explain", "BTCUSDT").stdout
    assert f"made by {len(parts) + signal['further_contributors']}" in told
    assert parts[0]["name"] in told


def test_a_parameter_changed_at_a_terminal_needs_no_restart(
    tmp_path: Path, validator: str, start: Callable[[Home], EngineProcess]
) -> None:
    tree = copy.deepcopy(PLAIN)
    tree["sources"]["sn8"] = {
        "plugin": "bittensor",
        "url": validator,
        "interval": "1s",
        "symbols": {"BTCUSD": "BTCUSDT", "BTCUSDC": "BTCUSDT", "ETHUSD": "ETHUSDT"},
        "scoring": LOOSE,
    }
    tree["symbols"]["BTCUSDT"]["weights"]["sn8"] = 0.2
    home = Home(tmp_path / "home", tree)
    home.write_secrets('[sources.tradingview]\ntoken = "end-to-end-token-of-tradingview"\n')
    home.secrets.write_text(home.secrets.read_text() + '[sources.sn8]\napi_key = "wrong"\n')
    engine = start(home).until_listening()  # a source whose key is refused is not ready
    engine.wait(lambda: "401" in str(engine.get("/readyz")[1].get("reasons")))
    assert engine.get("/readyz")[0] == 503
    terminal = Terminal(home, "configure", "sn8", "--all")
    answered(terminal, api_key="K")
    assert terminal.end() == 0, terminal.shown
    assert "the running engine applied it: rebuild sources.sn8" in terminal.shown
    engine.wait(lambda: source(engine)["counters"].get("ranked", 0) > 0)

    map_the_miners(home)

    terminal = Terminal(home, "configure", "sn8", "--all")
    answered(terminal, scoring__min_trades="100000")
    assert terminal.end() == 0, terminal.shown
    engine.wait(lambda: "none of 100 miners qualifies" in str(source(engine)))

    written = home.settings.read_text(), home.secrets.read_text()
    terminal = Terminal(home, "configure", "sn8", "--all")
    terminal.until(r"now .*: $")
    assert terminal.end("\x03") != 0
    assert (home.settings.read_text(), home.secrets.read_text()) == written
