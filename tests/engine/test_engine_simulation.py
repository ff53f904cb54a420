"""Seeded storms over the whole engine: signals, redeliveries, edits of the settings, stops, kills, failing accounts.

Accounts go and come back, keys are exchanged, two sections open one account, the limit on the total is lowered and
lifted, the wall clock steps, plugins cancel and exit. Whatever the way, every account ends where the present settings
and the newest signals put it, or the reason why not is shown; and then it rests. ``engine_world.py`` has what outlives
the engine, ``engine_operator.py`` what is commanded, and ``engine_checks.py`` what must hold.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import Publication
from te_core.settings.problems import SettingsInvalid
from te_core.testing.virtual_clock import VirtualClock
from tests.engine import odd
from tests.engine.commanding import CLOSED, HELD
from tests.engine.edits import EDITS
from tests.engine.engine_checks import LATELY
from tests.engine.engine_harness import changed
from tests.engine.engine_operator import COMMANDS, GIVEN_UP, HANDS, OperatedWorld
from tests.engine.engine_world import SOURCE_KINDS
from tests.engine.seeds import blocks, run_block
from tests.engine.shared_exchange import PRICES
from tests.engine.showing import ARRIVED, SUSPENDED
from tests.engine.weather import outage
from tests.querying import queries_of

D = Decimal
WINDOW = timedelta(minutes=10)
KINDS = frozenset(
    (
        *odd.KINDS,
        *SOURCE_KINDS,
        *(f"edit: {name}" for name, _, _ in EDITS),
        "account removed",
        "account returned",
        "total_exposure lowered",
        "total_exposure lifted",
        "reads lag",
        "pushes lag",
        "signal",
        "signal again",
        "stop",
        "kill",
        "wall clock ahead",
        SUSPENDED,
        "outage",
        "close hangs",
        "asked",
        "edit refused",
        *COMMANDS,
        *HANDS,
        GIVEN_UP,
        HELD,
        CLOSED,
        "source resumed",
        "go",
    )
)
CALM = 4200
"""Seconds after which every back-off has ended, including that of a key that was refused for hours."""


class World(OperatedWorld):
    """One more thing happens, and then the next."""

    async def signal(self) -> None:
        source, symbol = self.chance.choice(["tv", "sn"]), self.chance.choice(list(PRICES))
        if not self.runs(source):
            return
        self.counts["signal"] += 1
        depth, number = self.chance.choice(["0", "0.2", "-0.2", "0.6", "-1", "1"]), str(len(self.delivered))
        self.said[source, symbol] = D(depth)
        self.commanding.said(source, symbol)
        self.note_goals()
        await self.deliver(source, symbol, depth, number)
        self.commanding.end_hands(self.weights)
        self.delivered.append((source, symbol, depth, number))
        self.delivered_at = self.clock.now()

    async def again(self) -> None:
        """The latest signal is delivered once more."""
        fresh = self.delivered and self.clock.now() - self.delivered_at <= WINDOW
        if fresh and self.runs(self.delivered[-1][0]):
            self.counts["signal again"] += 1
            assert await self.deliver(*self.delivered[-1]) is Publication.DUPLICATE

    async def deliver(self, source: str, symbol: str, depth: str, number: str) -> Publication:
        return await self.say(source, depth, symbol, delivery_id=number, dedupe_for=WINDOW)

    async def edit(self) -> None:
        name, path, values = self.chance.choice([edit for edit in EDITS if f"edit: {edit[0]}" in self.kinds])
        if path.startswith("accounts.one.") and "one" not in self.settings["accounts"]:
            return
        before, self.settings = self.settings, changed(self.settings, path, self.chance.choice(values))
        try:
            resolved = self.resolved()
        except SettingsInvalid:  # two sections with one key: what was valid stays
            self.counts["edit refused"] += 1
            self.settings = before
            return
        self._count_edit(name, before)
        self.note_goals()
        applying = asyncio.create_task(self.engine.apply(resolved))
        if self.chance.random() < 0.5:
            await asyncio.sleep(0.1)
            await self.signal()
        await applying
        self.limited.append((self.clock.monotonic(), self.total_limit(before)))
        self.applied = self.settings

    def _count_edit(self, name: str, before: Mapping[str, Any]) -> None:
        self.counts[f"edit: {name}"] += 1
        gone = len(before["accounts"]) - len(self.settings["accounts"])
        self.counts["account removed"] += gone > 0
        self.counts["account returned"] += gone < 0
        old, new = (s.get("limits", {}).get("total_exposure") or 1e9 for s in (before, self.settings))
        self.counts["total_exposure lowered"] += new < old
        self.counts["total_exposure lifted"] += new > old

    async def ask(self) -> None:
        """Every query of the engine is answered."""
        self.counts["asked"] += 1
        queries_of(self.engine).state()
        queries_of(self.engine).readiness()
        await queries_of(self.engine).plan()

    async def step_the_clock(self) -> None:
        """The wall clock is ahead for a while and then corrected; no signal arrives meanwhile."""
        self.counts["wall clock ahead"] += 1
        self.clock.shift = timedelta(hours=self.chance.choice([3, 30]))
        await asyncio.sleep(self.chance.choice([1, 30, 120]))
        self.clock.shift = timedelta(0)
        self.unclear_until = self.clock.monotonic() + LATELY

    async def suspend(self) -> None:
        """The machine is suspended, its streams do not outlive that, and a signal is the first to arrive."""
        await asyncio.sleep(ARRIVED)
        if self.clock.monotonic() - self.sent_at < ARRIVED:
            return
        self.counts[SUSPENDED] += 1
        for exchange in self.exchanges.values():
            exchange.showing.silent = True
        self.clock.suspend(self.chance.choice([20, 300, 7200]))
        self.note_goals()
        await self.signal()

    def stir(self) -> None:
        """The exchange changes how it reports things."""
        self.down = outage(self.chance)
        self.counts["outage"] += bool(self.down)
        for exchange in self.exchanges.values():
            exchange.showing.draw(tuple(PRICES), self.kinds & {"reads lag", "pushes lag"})

    async def happen(self) -> None:
        self.stir()
        draw = self.chance.random()
        if draw < 0.40:
            await self.signal()
        elif draw < 0.47:
            await self.again()
        elif draw < 0.52:
            await self.ask()
        elif draw < 0.73:
            await self.edit()
        elif draw < 0.88:
            await self.operate()
        elif draw < 0.92:
            if self.chance.random() < 0.5:
                if "wall clock ahead" in self.kinds:
                    await self.step_the_clock()
            elif SUSPENDED in self.kinds:
                await self.suspend()
        else:
            await (self.stop() if draw < 0.96 else self.kill())
            await asyncio.sleep(self.chance.choice([0, 5, 90]))
            await self.start()


async def simulate(folder: Path, seed: int, kinds: frozenset[str] = KINDS) -> Counter[str]:
    """Run one seed with those kinds of events; return how often each happened."""
    chance, clock = random.Random(seed), VirtualClock()
    world = World(folder, clock, chance, kinds)
    world.note_live()
    await world.start()
    for _ in range(30):
        await world.happen()
        await asyncio.sleep(chance.choice([0, 0.3, 2, 9, 40, 100]))
    world.calm, world.down = True, frozenset()
    for connection in world.connections:
        connection.calm = True
    for exchange in world.exchanges.values():
        exchange.showing.clear()
    await asyncio.sleep(CALM)
    assert not (amiss := world.amiss()), amiss
    sent = sum(len(connection.sent) for connection in world.connections)
    await asyncio.sleep(600)
    assert sent == sum(len(connection.sent) for connection in world.connections), "sent at rest"
    await world.stop()
    return world.counts


@pytest.mark.parametrize("seeds", blocks(30, 60), ids=str)
def test_every_account_ends_where_signals_and_settings_put_it(seeds: range, tmp_path: Path) -> None:
    run_block(simulate, tmp_path, seeds, KINDS)
