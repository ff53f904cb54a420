"""A flatten without an engine, from the journal and the intents of a killed one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import NotReady
from te_core.app.direct import DirectFlatten
from te_core.app.exclusive import CommandContext
from te_core.app.paths import Paths
from te_core.errors import JournalLocked
from te_core.model.control import Action, Command
from te_core.testing.faults import Fault
from tests.engine.scene import Scene

D = Decimal
SETTINGS = """
[journal]
file = "../j.sqlite3"
[sources.tv]
plugin = "pushed"
[accounts.one]
plugin = "fake"
observe = false
[accounts.two]
plugin = "fake"
observe = false
key = "two"
[symbols.BTCUSDT]
weights = { tv = 1 }
[symbols.ETHUSDT]
weights = { tv = 1 }
"""


class Dead(Scene):
    """An engine with two accounts that was killed, and what its operator does next."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, accounts__two={"plugin": "fake", "observe": False, "key": "two"})
        (folder / "settings.toml").write_text(SETTINGS)
        (folder / "settings.toml").chmod(0o600)
        self.shown: list[Mapping[str, Any]] = []
        self.told: list[str] = []

    async def killed(self, *said: tuple[str, str]) -> None:
        """Start, publish signals, and end without a trace of the end in the journal."""
        await self.start()
        for depth, symbol in said:
            await self.say(depth, symbol, wait=20)
        await self.stop()

    async def flatten(self, *accounts: str, **more: Any) -> None:
        async def ask(plan: Mapping[str, Any]) -> None:
            self.shown.append(plan)

        given = CommandContext(
            paths=Paths(self.folder / "settings.toml", self.folder / "state"),
            env=os.environ,
            clock=self.clock,
            new_id=lambda: "j",
            registry=self.registry,
            inline=True,
        )
        direct = DirectFlatten(given, Command(action=Action.FLATTEN, by="alice", accounts=accounts, **more))
        await direct.run(ask, self.told.append)


@pytest.fixture
def dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dead:
    monkeypatch.setattr("te_core.app.exclusive.configure_logs", lambda *_, **__: None)
    return Dead(tmp_path)


async def test_everything_is_closed_and_the_next_engine_keeps_it_so(dead: Dead) -> None:
    await dead.killed(("0.5", "BTCUSDT"), ("-0.3", "ETHUSDT"))
    await dead.flatten()
    assert not any(dead.held(symbol, key) for symbol in ("BTCUSDT", "ETHUSDT") for key in ("none", "two"))
    steps = dead.shown[0]["accounts"]["one"]["symbols"]["BTCUSDT"]["steps"]
    assert [(step["side"], step["reduce_only"]) for step in steps] == [("sell", True)]
    await dead.start()
    await dead.say("0.8", wait=60)
    assert not dead.held()
    assert "flattened by alice" in dead.row()["reason"]
    await dead.stop()


async def test_one_account_is_closed_and_the_other_is_not_touched(dead: Dead) -> None:
    await dead.killed(("0.5", "BTCUSDT"))
    before = len(dead.sent())
    await dead.flatten("two")
    assert (dead.held(), dead.held(key="two")) == (D("0.1"), D(0))
    assert len(dead.sent()) == before
    await dead.start()
    await dead.say("0.8", wait=60)
    assert (dead.held(), dead.held(key="two")) == (D("0.16"), D(0))
    await dead.stop()


async def test_nothing_is_increased_meanwhile(dead: Dead) -> None:
    await dead.start()
    dead.connection().faults = lambda method, call: (
        Fault(refused=NotReady("busy")) if method == "place_order" else None
    )
    await dead.say("0.5", wait=5)
    await dead.stop()
    dead.connection().faults = lambda method, call: None
    await dead.flatten("one", symbol="ETHUSDT")
    assert not dead.exchange().requests


async def test_an_order_in_flight_is_found_before_its_position_closes(dead: Dead) -> None:
    await dead.start()
    dead.connection().inject("place_order", Fault(answer_delay=600))
    await dead.say("0.5", wait=2)
    await dead.stop()
    assert dead.held() == D("0.1")
    await dead.flatten("one")
    assert not dead.held()
    assert [order.reduce_only for order in dead.exchange().requests] == [False, True]


async def test_an_exchange_that_fails_is_tried_until_it_closes(dead: Dead) -> None:
    await dead.killed(("0.5", "BTCUSDT"))
    refusing = Fault(refused=NotReady("502"))
    dead.connection().faults = lambda method, call: refusing if method == "place_order" else None
    closing = asyncio.create_task(dead.flatten("one"))
    await asyncio.sleep(100)
    assert dead.told
    assert "BTCUSDT" in dead.told[0]
    dead.connection().faults = lambda method, call: None
    await closing
    assert not dead.held()


async def test_a_running_engine_is_not_pushed_aside(dead: Dead) -> None:
    await dead.start()
    with pytest.raises(JournalLocked):
        await dead.flatten()
    await dead.stop()
