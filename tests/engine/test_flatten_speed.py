"""The duration of a flatten of 4 accounts with 20 symbols each, in round trips to the exchange."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.model.control import Action
from te_core.testing.faults import Fault
from tests.engine.scene import Scene

LATENCY = 0.1
"""Seconds of a round trip; half of it until the request arrives."""
ACCOUNTS = ("one", "two", "three", "four")
SYMBOLS = tuple(f"S{number}USDT" for number in range(20))


def settings(**account: Any) -> dict[str, Any]:
    return {
        "sources": {"tv": {"plugin": "pushed"}},
        "accounts": {name: {"plugin": "fake", "observe": False, "key": name, **account} for name in ACCOUNTS},
        "symbols": {symbol: {"weights": {"tv": 0.5}} for symbol in SYMBOLS},
    }


async def measured(folder: Path, *, streams: bool) -> tuple[float, int]:
    """Return the seconds from the command to the last closing order, and how many orders closed."""
    world = Scene(folder, streams=streams)
    world.settings = settings()
    for name in ACCOUNTS:
        world.exchange(name).price = {symbol: Decimal(100) for symbol in SYMBOLS}
        world.connection(name).faults = lambda method, call: (
            None if method == "watch" else Fault(delay=LATENCY / 2, answer_delay=LATENCY / 2)
        )
    await world.start()
    for symbol in SYMBOLS:
        await world.say("0.1", symbol, wait=0)
    await asyncio.sleep(25)
    assert all(world.held(symbol, name) for symbol in SYMBOLS for name in ACCOUNTS)
    before = {name: len(world.exchange(name).executed_at) for name in ACCOUNTS}
    began = world.clock.monotonic()
    await world.command(Action.FLATTEN, wait=5)
    assert not any(world.held(symbol, name) for symbol in SYMBOLS for name in ACCOUNTS)
    closed = [at for name in ACCOUNTS for at in world.exchange(name).executed_at[before[name] :]]
    await world.stop()
    return max(closed) - began, len(closed)


@pytest.mark.parametrize("streams", [True, False])
async def test_the_last_closing_order_leaves_within_three_round_trips(tmp_path: Path, streams: bool) -> None:
    seconds, orders = await measured(tmp_path, streams=streams)
    assert orders == 80
    assert seconds <= 3 * LATENCY
