"""Commands that messages suggest work when pasted, on the settings that come with the engine."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from te_core.api import SignalRejected
from te_core.cli.main import app
from te_signals_tradingview.symbols import SymbolMap

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"\bte ((?:configure|add|remove) [^,;:()\n]*[^,;:()\n. ])")


@pytest.fixture
def shipped(tmp_path: Path) -> Any:
    """The repository's settings.toml in a folder of its own."""
    settings = tmp_path / "settings.toml"
    settings.write_text((ROOT / "settings.toml").read_text())

    def run(line: str, answers: str = "") -> Any:
        return CliRunner().invoke(app, ["--settings", str(settings), *shlex.split(line)], input=answers)

    run.settings = settings  # type: ignore[attr-defined]
    return run


def test_the_hint_of_a_refused_alert_maps_it(shipped: Any) -> None:
    with pytest.raises(SignalRejected) as refused:
        SymbolMap({}, source="tradingview").resolve("BYBIT:TAOUSDT.P")
    (command,) = COMMAND.findall(f"{refused.value.hint}".replace(":", "\0"))
    result = shipped(command.replace("\0", ":"))
    assert result.exit_code == 0, result.output
    assert '"BYBIT:TAOUSDT.P" = "TAOUSDT"' in shipped.settings.read_text()


def test_what_a_new_source_suggests_gives_it_weight(shipped: Any) -> None:
    made = shipped("configure bittensor --new sn8 --set url=https://example.org/x")
    assert made.exit_code == 0, made.output
    (command,) = COMMAND.findall(made.stdout)
    result = shipped(command)
    assert result.exit_code == 0, result.output
    assert "sn8 = 0.1" in shipped.settings.read_text()


def test_what_check_suggests_does_away_with_the_warning(shipped: Any) -> None:
    text = shipped.settings.read_text()
    shipped("configure mappings --set tradingview.TAOUSDT=TAOUSDT")
    warning = next(line for line in shipped("check").stderr.splitlines() if "TAOUSDT" in line)
    weights, removal = COMMAND.findall(warning)
    assert shipped(removal, answers="y\n").exit_code == 0
    assert "TAOUSDT" not in shipped("check").stderr
    shipped.settings.write_text(text)
    shipped("configure mappings --set tradingview.TAOUSDT=TAOUSDT")
    done = shipped(weights, answers="\n\n" * 3 + "y\n2\n0.1\ny\n")
    assert done.exit_code == 0, done.output
    assert "TAOUSDT" not in shipped("check").stderr


def test_a_new_section_is_written_in_its_own_place(shipped: Any) -> None:
    for line in (
        "configure bittensor --new sn8 --set url=https://example.org/x",
        "configure paper --new second --set balance=500",
        "add symbol TAOUSDT --weight tradingview=0.1 --yes",
        "configure webhook --new phone --set body=text --set url=https://example.org",
        "configure limits --set order_notional=20000",
        "configure engine --set resync=45s",
    ):
        done = shipped(line)
        assert done.exit_code == 0, done.output
    text = shipped.settings.read_text()
    headings = re.findall(r"^(?:\[[^]]*\]|# ---- [A-Z]\w+)", text, re.M)
    positions = {heading: index for index, heading in enumerate(headings)}
    order = [
        "# ---- Sources",
        "[sources.tradingview]",
        "[sources.sn8]",
        "# ---- Accounts",
        "[accounts.paper]",
        "[accounts.second]",
        "# ---- Symbols",
        "[symbols.SOLUSDT]",
        "[symbols.TAOUSDT]",
        "# ---- Notifiers",
    ]
    assert [positions[heading] for heading in order] == sorted(positions[heading] for heading in order), (
        headings
    )
    assert positions["[notifiers.phone]"] > positions["# ---- Notifiers"]
    assert shipped("check").exit_code in {0, 1}
