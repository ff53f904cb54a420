"""A command whose caller stops waiting applies now or never, not at the next start."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.model.control import Action, Command
from te_core.rules.controls import Controls
from tests.engine.scene import scene
from tests.engine.test_operator_commands import HALT, RESUME, TARGET

D = Decimal


@pytest.mark.parametrize("action", [HALT, RESUME, TARGET])
async def test_a_command_given_up_applies_at_once_or_never(tmp_path: Path, action: Action) -> None:
    """A bot or an assistant stops waiting for it; what the journal has must not wait for the next start."""
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        for turns in range(12):
            await world.command(RESUME, wait=1)
            if action is RESUME:
                await world.command(HALT, "one", wait=1)
            more: dict[str, Any] = {"symbol": "BTCUSDT", "depth": D("0.1")} if action is TARGET else {}
            command = Command(action=action, by="a bot", accounts=("one",), **more)
            task = asyncio.create_task(world.engine.commands.execute(command))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(1)
            active = [row.by for row in world.engine.commands.controls.active()]
            stored = [row.by for row in Controls.of(world.journal.snapshot().controls).active()]
            assert active == stored, f"given up after {turns} turns of the loop"
