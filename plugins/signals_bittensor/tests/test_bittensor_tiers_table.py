"""The tables of docs/bittensor.md on limits, computed again: depths as they were, and as they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from te_core.testing.virtual_clock import START
from te_emulators.bittensor.network import ALL_PAIRS, TieredNetwork
from te_signals_bittensor.corrected import Corrected
from te_signals_bittensor.evaluation import Evaluation, Terms, evaluate
from te_signals_bittensor.limits import Account, Limits, PairTable
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.payload import PayloadReader
from te_signals_bittensor.record_parsing import parse_position
from te_signals_bittensor.route_parsing import parse_accounts, parse_eliminations, parse_trade_pairs
from tests.bittensor.records import NOW_MS, held, hotkey

GUIDE = Path(__file__).parents[3] / "docs" / "bittensor.md"
MAPPED = {"BTCUSDC": "BTC", "ETHUSDC": "ETH", "ADAUSDC": "ADA"}
COUNTS = Parameters.model_validate({"min_trades": 1, "min_profitable_rate": 0.5})


def made_up() -> TieredNetwork:
    made = TieredNetwork(miners=200, seed=2, now_ms=NOW_MS, orders=60, entities=4, subaccounts=20)
    for name in list(made.miners)[:20:2]:
        made.eliminate(name)
    return made


def figures(found: Evaluation) -> list[float]:
    full = sum(abs(share) >= 1 for held_by in found.holdings.values() for share in held_by.values())
    return [len(found.ranked), full, *(opinion.depth for opinion in found.opinions.values())]


def network_rows() -> dict[str, list[float]]:
    made = made_up()
    read = PayloadReader().read(json.dumps(made.payload()).encode())
    limits = Limits(PairTable({}, parse_trade_pairs(made.trade_pairs())), parse_accounts(made.collateral()))
    out = parse_eliminations({"eliminations": made.eliminations})
    rows = {
        "formerly": Terms(),
        "limits by account": Terms(limits=limits),
        "eliminated left out": Terms(limits=limits, eliminated=out),
        "best of each entity": Terms(limits=limits, eliminated=out, per_entity=1),
        "sum of each entity": Terms(limits=limits, eliminated=out, per_entity="sum"),
    }
    return {
        name: figures(evaluate(read, Corrected(), assets=MAPPED, parameters=COUNTS, now=START, terms=terms))
        for name, terms in rows.items()
    }


def position_row(net: float) -> list[float]:
    """Depths of one position: as served, then by account."""
    pairs = parse_trade_pairs(TieredNetwork(miners=1, seed=1, now_ms=NOW_MS).trade_pairs())
    own = [Account(size=size, bucket="MAINCOMP") for size in (1e5, 5e5, 2e6)]
    bought = [Account(size=1e5, bucket="SUBACCOUNT_FUNDED", tier=n, states_tier=True) for n in (1, 2, 3)]
    entry = held("p", net, open_ms=NOW_MS - 1000, trade_pair=ALL_PAIRS["BTCUSDC"][0])
    position = parse_position(entry, left_out={})  # type: ignore[arg-type]  # nothing is left out
    stake = Corrected().stake
    shares = [stake(position).share]
    for name, account in [*((hotkey(1), a) for a in own), *((f"{hotkey(1)}_1", a) for a in bought)]:
        limit = Limits(PairTable({}, pairs), {name: account}).of(name).on(position)
        shares.append(stake(position._replace(max_leverage=limit.value)).share)
    return shares


def written(heading: str) -> dict[str, list[float]]:
    """Return the rows of the table whose first line begins with ``heading``."""
    text = GUIDE.read_text("utf-8")
    table = text[text.index(heading) :].partition("\n\n")[0].splitlines()[2:]
    rows = (re.split(r"\s*\|\s*", line.strip("| ")) for line in table)
    return {name: [float(cell) for cell in cells] for name, *cells in rows}


def test_the_table_of_one_position_is_right() -> None:
    rows = written("| net leverage |")
    assert len(rows) == 5
    for net, cells in rows.items():
        assert cells == pytest.approx(position_row(float(net)), abs=6e-4), net


def test_the_table_of_a_network_is_right() -> None:
    rows, found = written("| | miners that count |"), network_rows()
    assert rows.keys() == found.keys()
    for name, cells in rows.items():
        assert cells == pytest.approx(found[name], abs=6e-4), name
