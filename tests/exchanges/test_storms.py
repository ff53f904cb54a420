"""Seeded storms at the exchanges: all kinds of faults at once, while targets change.

The number of seeds is raised with TE_STORMS.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from te_emulators.core.fault_files import faults_of_seed
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.venues import running
from te_exchange_ccxt.client import client_factory, error_classification
from te_exchange_ccxt.errors import ErrorKind as Kind
from tests.exchanges.trading import PLUGINS, account, assert_at_goals, outages, quick, spec_of, trading

pytestmark = pytest.mark.real_clock

SEEDS = int(os.environ.get("TE_STORMS", "1"))
FIRST = int(os.environ.get("TE_FIRST", "0"))
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
DEPTHS = ("0", "0.1", "-0.1", "0.2", "-0.25", "0.3")


def faults(seed: int) -> list[Fault]:
    """The faults of a seed; none outlasts the storm, and none makes the exchange itself execute twice."""
    made = faults_of_seed(seed, number=30, spread=12)
    return [
        replace(fault, seconds=min(fault.seconds, 0.2))
        for fault in made
        if fault.kind not in {FaultKind.REPEATED, FaultKind.CLOCK_SKEW}
    ]


@pytest.mark.parametrize("exchange", PLUGINS)
@pytest.mark.parametrize("streams", [False, True], ids=["polled", "pushed"])
@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
async def test_a_storm_ends_at_the_targets(
    exchange: str, streams: bool, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_factory, "TIMEOUT", 1000)
    monkeypatch.setitem(error_classification.PAUSE, Kind.MAINTENANCE, 0.3)
    chance = random.Random(f"{exchange} {streams} {seed}")
    async with running(exchange) as server:
        settings = {
            "accounts": {"main": account(exchange, server, streams=streams)},
            "symbols": {symbol: {"weights": {"said": 1}} for symbol in SYMBOLS},
        }
        async with trading(tmp_path, settings, quick(spec_of(exchange))) as harness:
            await harness.say(dict.fromkeys(SYMBOLS, "0.1"))
            await harness.until_confirmed()
            server.faults.add(*faults(chance.randrange(10**9)))
            for _ in range(8):
                wanted = {symbol: chance.choice(DEPTHS) for symbol in chance.sample(SYMBOLS, 2)}
                await harness.say(wanted, leverage=chance.choice((2, 2, 3)))
                await asyncio.sleep(chance.choice((0, 0.1, 0.4, 0.8)))
            server.faults.clear()
            await harness.until_confirmed(60)
            # A late fill or push may still undo it: then it has to come to rest again.
            await asyncio.sleep(1)
            await harness.until_confirmed(60)
            assert_at_goals(harness, server, taken_away=True)
            assert server.exchange.counts.faults
            assert server.exchange.counts.doubled == []
            for what, kinds in outages(harness.events()).items():
                assert kinds == ["outage", "recovery"] * (len(kinds) // 2), what
