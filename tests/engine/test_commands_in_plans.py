"""Every command in the middle of twenty orders, on an engine that is killed with it, at an exchange that is down."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import NotReady
from te_core.model.control import Action
from te_core.testing.faults import Fault
from tests.engine.scene import Scene, scene
from tests.engine.test_operator_commands import FLATTEN, HALT, PAUSE, TARGET, in_chunks

D = Decimal
ON_BTC = {"symbol": "BTCUSDT"}
COMMANDS: Mapping[str, tuple[Action, tuple[str, ...], dict[str, Any], Decimal | None]] = {
    "halt": (HALT, ("one",), {}, None),
    "flatten": (FLATTEN, ("one",), {}, D(0)),
    "flatten of a symbol": (FLATTEN, (), ON_BTC, D(0)),
    "flatten with foreign positions": (FLATTEN, (), {"foreign": True}, D(0)),
    "pause, held": (PAUSE, (), {"sources": ("tv",)}, D("0.1")),
    "pause, closed": (PAUSE, (), {"sources": ("tv",), "close": True}, D(0)),
    "close": (TARGET, ("one",), {**ON_BTC, "depth": D(0)}, D(0)),
    "set-target": (TARGET, ("one",), {**ON_BTC, "depth": D("-0.2")}, D("-0.04")),
}
"""The command, and what is held in the end; None: what was held when it was issued."""


async def twenty_orders(world: Scene) -> None:
    """Start a plan of twenty orders, and return in the middle of it."""
    in_chunks(world, "0.005")
    world.exchange().hold("SOLUSDT", "7")
    await world.restart()  # trading rules are read again
    world.connection().faults = lambda method, call: (
        Fault(answer_delay=0.5) if method == "place_order" else None
    )
    await world.say("0.5", wait=3.2)
    assert 4 <= len(world.sent()) <= 12


def check(world: Scene, expected: Decimal, *, foreign: bool) -> None:
    ids = [order.client_order_id for order in world.sent()]
    assert len(ids) == len(set(ids)), "nothing is sent twice"
    assert world.held() == expected
    assert world.held("SOLUSDT") == (0 if foreign else 7)


@pytest.mark.parametrize("killed", [False, True], ids=["running", "killed"])
@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_in_the_middle_of_twenty_orders(name: str, killed: bool, tmp_path: Path) -> None:
    action, accounts, more, expected = COMMANDS[name]
    async with scene(tmp_path) as world:
        await twenty_orders(world)
        await world.command(action, *accounts, wait=0, **more)
        begun = len(world.sent())
        if killed:
            await world.kill()
            await world.start()
        world.connection().faults = lambda method, call: Fault(refused=NotReady("502 bad gateway"))
        await asyncio.sleep(60)
        world.connection().faults = lambda method, call: None
        await asyncio.sleep(180)
        left = begun * D("0.005") if expected is None else expected
        check(world, left, foreign=bool(more.get("foreign")))
        assert world.events(str(action))[0].detail["by"] == "alice"
        at_rest = len(world.sent())
        await world.restart()
        await asyncio.sleep(120)
        assert len(world.sent()) == at_rest, "and it stays so"
