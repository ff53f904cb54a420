"""The examples of docs/extending.md are plugins of one file: they load as printed, and do what the page says."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.plugins.files import files_in
from te_core.plugins.loading import load
from tests.engine.scene import Scene

BLOCK = re.compile(r"```python file=(?P<name>\S+)\n(?P<text>.*?)```", re.S)
ROOT = Path(__file__).parents[2]
GUIDE, EXAMPLES = ROOT / "docs" / "extending.md", ROOT / "examples" / "one_file"
D = Decimal


@pytest.fixture
def specs(tmp_path: Path) -> list[Any]:
    folder = tmp_path / "my_plugins"
    folder.mkdir()
    for match in BLOCK.finditer(GUIDE.read_text(encoding="utf-8")):
        (folder / match["name"]).write_text(match["text"], encoding="utf-8")
    loaded = [load(entry) for entry in files_in(folder)]
    assert [(one.report.name, one.report.status, one.report.reason) for one in loaded] == [
        ("calendar", "loaded", ""),
        ("ledger", "loaded", ""),
    ]
    return [spec for one in loaded for spec in one.specs]


def test_the_examples_are_the_files_of_the_guide() -> None:
    shown = {match["name"]: match["text"] for match in BLOCK.finditer(GUIDE.read_text(encoding="utf-8"))}
    assert shown == {file.name: file.read_text(encoding="utf-8") for file in EXAMPLES.glob("*.py")}


async def test_they_behave_as_the_guide_states(specs: list[Any], tmp_path: Path) -> None:
    world = Scene(tmp_path)
    world.more = specs
    times, orders = tmp_path / "times.txt", tmp_path / "orders.csv"
    near = world.clock._start + timedelta(minutes=5)
    times.write_text(near.isoformat())
    world.settings = {
        **world.settings,
        "risk_checks": {"news": {"plugin": "calendar", "file": str(times), "symbols": ["BTCUSDT"]}},
        "observers": {"books": {"plugin": "ledger", "file": str(orders)}},
    }
    await world.start()
    try:
        await world.say("0.5")
        await world.say("0.5", "ETHUSDT")
        assert world.held() == 0
        assert world.held("ETHUSDT") == D(2)
        assert f"risk check news leaves 0 of 0.1: {near:%H:%M} UTC is near" in world.row()["reason"]
        times.write_text("")
        await world.say("0.5", "SOLUSDT", wait=70)
        assert world.held() == D("0.1"), "the times were read again, and the check asked to be asked"
        lines = orders.read_text(encoding="utf-8").splitlines()
        assert [line.split(",")[1:4] for line in lines] == [
            ["one", "ETHUSDT", "buy"],
            ["one", "SOLUSDT", "buy"],
            ["one", "BTCUSDT", "buy"],
        ]
    finally:
        await world.stop()
