"""The table of docs/bittensor.md on recorded miners, computed from the recordings.

The recordings are next to the repository; without them these tests are skipped.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from te_signals_bittensor import corrected, parity
from te_signals_bittensor.combination import stakes, stakes_key
from te_signals_bittensor.corrected import Corrected
from te_signals_bittensor.formula import Figures
from te_signals_bittensor.network import Miner
from te_signals_bittensor.parity import Parity
from te_signals_bittensor.payload import PayloadReader
from te_signals_bittensor.strategy import Strategy
from tests.bittensor.records import hotkey

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT.parent / "shared" / "signals" / "samples"
ASSETS = ("BTCUSD", "ETHUSD")
RECORDED = (
    "single_miner_dashboard_2025-07_a.json",
    "single_miner_dashboard_2025-07_b.json",
    "positions_2024-05_multi_pair.json",
)

pytestmark = pytest.mark.skipif(
    not SAMPLES.exists(), reason="the recorded miners (../shared/signals/samples) are not here"
)


def recorded(name: str) -> Miner:
    record: Any = json.loads((SAMPLES / name).read_text("utf-8"))
    if isinstance(record, list):
        record = {"positions": record, "thirty_day_returns": 1.1, "all_time_returns": 1.1}
    network = PayloadReader().read(json.dumps({hotkey(1): record}).encode())
    assert network.left_out == {}
    return network.miners[0]


def table() -> dict[str, list[str]]:
    """Return the rows: the figure, then parity and corrected for each recording."""
    text = (ROOT / "docs" / "bittensor.md").read_text("utf-8")
    section = text[text.index("## On recorded miners") :]
    rows = re.findall(r"(?m)^\| ([a-zA-Z ]+) \| (.+) \|$", section[: section.index("## Cost")])
    return {name: cells.split(" | ") for name, cells in rows}


def column(found: Figures, open_on_btc: float) -> dict[str, float]:
    return {
        "trades": found.trades,
        "total return": found.total,
        "win rate": found.win,
        "drawdown": found.drawdown,
        "Sharpe": found.sharpe,
        "consistency": found.regularity,
        "open on BTC": open_on_btc,
    }


def held(miner: Miner, strategy: Strategy) -> float:
    found = stakes(miner, strategy, stakes_key(strategy, ASSETS))
    return float(sum(share for asset, share, *_ in found if asset == "BTCUSD"))


@pytest.mark.parametrize("column_index", range(len(RECORDED)))
def test_the_table_states_what_the_recordings_give(column_index: int) -> None:
    miner = recorded(RECORDED[column_index])
    columns = (
        column(parity.figures_of(parity.record_of_miner(miner, ASSETS)), held(miner, Parity())),
        column(Figures._make(corrected.standing_of(miner, ASSETS).figures), held(miner, Corrected())),
    )
    rows = table()
    assert set(rows) == set(columns[0])
    for offset, found in enumerate(columns):
        for name, cells in rows.items():
            cell = cells[2 * column_index + offset]
            digits = len(cell.partition(".")[2])
            assert cell == "none" or float(cell) == pytest.approx(found[name], abs=0.51 * 10**-digits), name
            assert cell != "none" or found[name] == 0, name
