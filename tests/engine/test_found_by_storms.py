"""What simulations found, each as a small world of its own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from te_core.api import NotReady
from te_core.testing.faults import Fault
from tests.engine.scene import scene

D = Decimal


async def test_an_increase_that_a_limit_had_held_back_is_no_drift_when_its_confirming_read_fails(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, accounts__one__limits={"symbol_exposure": 2500}) as world:
        await world.say("0.5", wait=60)
        assert world.held() == D("0.05")
        failing = Fault(refused=NotReady("down"))
        world.wire().faults = lambda method, _: (
            failing
            if method == "positions" and len(world.sent()) > 1 and world.clock.monotonic() < 90
            else None
        )
        await world.edit("accounts.one.limits.symbol_exposure", 4000, wait=200)
        assert world.held() == D("0.08")
        assert [order.reduce_only for order in world.sent()] == [False, False]
        assert world.events("drift") == []
