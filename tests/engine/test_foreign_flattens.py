"""A flatten with ``--foreign`` closes what the engine never opened, also where it has no target."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import NotReady
from te_core.testing.faults import Fault
from tests.engine.scene import scene
from tests.engine.test_operator_commands import FLATTEN, plan

D = Decimal


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("symbol", ["SOLUSDT", "DOGEUSDT"])
async def test_a_foreign_flatten_of_one_symbol_needs_no_target(
    tmp_path: Path, symbol: str, *, restart: bool
) -> None:
    """The engine has no target for it: no signal ever came, or the settings do not even name it."""
    async with scene(tmp_path) as world:
        exchange = world.exchange()
        exchange.price["DOGEUSDT"] = D("0.1")
        exchange.hold("SOLUSDT", "7")
        exchange.hold("DOGEUSDT", "-900")
        await asyncio.sleep(200)
        other = ({"SOLUSDT", "DOGEUSDT"} - {symbol}).pop()
        held = world.held(other)
        assert (await plan(world, FLATTEN, symbol=symbol, foreign=True)).keys() == {symbol}
        if restart:
            refusing = Fault(refused=NotReady("502 bad gateway"))
            world.connection().faults = lambda method, call: refusing
        await world.command(FLATTEN, "one", symbol=symbol, foreign=True, wait=5)
        if restart:
            await world.restart(wait=5)
            world.connection().faults = lambda method, call: None
        await asyncio.sleep(200)
        assert world.held(symbol) == 0
        assert world.held(other) == held
        assert "everything" in world.events("flatten")[-1].text
        exchange.hold(symbol, "50")
        await asyncio.sleep(200)
        assert world.held(symbol) == 50, "what is opened by hand later is not the engine's"


async def test_a_foreign_flatten_of_what_is_not_held_ends_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.command(FLATTEN, "one", symbol="SOLUSDT", foreign=True, wait=60)
        assert "everything" in world.events("flatten")[-1].text
        world.exchange().hold("SOLUSDT", "7")
        await asyncio.sleep(200)
        assert world.held("SOLUSDT") == 7


async def test_a_flatten_counts_even_if_the_wall_clock_was_set_back(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        world.exchange().hold("SOLUSDT", "7")
        await world.command(FLATTEN, "one", wait=60)
        world.clock.shift -= timedelta(hours=3)
        await world.command(FLATTEN, "one", symbol="SOLUSDT", foreign=True, wait=60)
        assert world.held("SOLUSDT") == 0
