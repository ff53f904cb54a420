"""Seeded storms over the whole engine: signals, redeliveries, edits of the settings, stops, kills, failing accounts.

Whatever the way, every account ends where the present settings and the newest signals put it, and then rests.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.api import (
    AccountContext,
    AccountIdentity,
    AuthError,
    ExchangeAccount,
    ExchangeSpec,
    NotReady,
    OrderReport,
    OrderRequest,
    Publication,
    SignalSourceSpec,
)
from te_core.journal.journal import Journal
from te_core.plugins.registry import Registry
from te_core.reporting.queries import Queries
from te_core.rules.plan import at_target
from te_core.runtime.engine import Engine
from te_core.runtime.supervisor import Running
from te_core.settings.resolution import Resolved, resolve
from te_core.settings.schema import Settings
from te_core.testing import virtual_clock
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.test_engine import BASE, Options, Trader, changed
from tests.engine.test_simulation import outage, storm

SEEDS = int(os.environ.get("TE_SEEDS", "40"))
D = Decimal
ON = {"enabled": True}
WINDOW = timedelta(minutes=10)
PRICES = {"BTCUSDT": "50000", "ETHUSDT": "2500"}
EDITS: list[tuple[str, list[Any]]] = [
    ("symbols.BTCUSDT.weights", [{"tv": 0.5, "sn": 0.25}, {"tv": 0.25}, {"sn": 0.75}, {}]),
    ("symbols.BTCUSDT.leverage", [1, 2]),
    ("symbols.ETHUSDT", [None, BASE["symbols"]["ETHUSDT"], {"leverage": 3, "weights": {"sn": 0.5}}]),
    ("accounts.two", [None, BASE["accounts"]["two"], {"plugin": "fake", "leverage": 3, "enabled": False}]),
    ("accounts.one.enabled", [True, True, False]),
    ("accounts.one.key", ["a", "b"]),
    ("accounts.one.margin_mode", ["isolated", "cross"]),
    ("plugins.fake", [{"enabled": True}, {"enabled": True}, {"enabled": False}]),
    ("plugins.pushed", [{"enabled": True}, {"enabled": True}, {"enabled": False}]),
    ("sources.sn.enabled", [True, False]),
    ("sources.tv.max_age", [None, "60s"]),
    ("sources.tv.on_expiry", ["hold", "flat", "decay"]),
]


class Venue(FakeAccount):
    """Keeps the truth, and executes whatever arrives."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock, **PRICES)
        self.executed: Counter[str] = Counter()

    def fill(self, order: OrderRequest, share: Decimal = Decimal(1)) -> OrderReport:
        self.executed[order.client_order_id] += 1
        self.orders.pop(order.client_order_id, None)
        return super().fill(order, share)


def permission(settings: Mapping[str, Any], account: str) -> str:
    section = settings["accounts"].get(account)
    if section is None or not settings.get("plugins", {}).get("fake", ON)["enabled"]:
        return "nothing"
    return "everything" if section.get("enabled", True) else "reductions"


class Wire(FaultyAccount):
    """Notes orders that the settings in force do not allow."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(Venue(world.clock), faults=world.fault)
        self.world, self.name = world, name

    async def identity(self) -> AccountIdentity:
        """Other keys of it are keys to the same account."""
        return AccountIdentity(host="fake", uid=self.name)

    async def place_order(self, order: OrderRequest) -> OrderReport:
        allowed = {what(self.name) for what in (self.world.allows, self.world.allowed)}
        if allowed == {"nothing"} or (allowed <= {"nothing", "reductions"} and not order.reduce_only):
            self.world.violations.append(f"{self.name}, which may send {allowed}, sent {order}")
        return await super().place_order(order)


class World(Trader):
    """What outlives the engine: the venues, what was said, the settings."""

    def __init__(self, folder: Path, clock: VirtualClock, chance: random.Random) -> None:
        super().__init__(clock)
        self.folder, self.chance = folder, chance
        self.settings: dict[str, Any] = dict(BASE)
        self.applied = self.settings
        self.violations: list[str] = []
        self.said: dict[tuple[str, str], Decimal] = {}
        self.delivered: list[tuple[str, str, str, str]] = []
        self.storm = storm(chance, chance.choice([0, 0.3, 1]))
        self.down: frozenset[str] = frozenset()
        self.calm = False
        self.wires: dict[str, Wire] = {}

    def fault(self, method: str, call: int) -> Fault | None:
        if self.calm:
            return None
        if method in self.down or (method == "open" and self.chance.random() < 0.2):
            return Fault(refused=NotReady("cannot be reached"))
        if method == "close" and self.chance.random() < 0.2:
            return Fault(delay=20)
        if method == "positions" and self.chance.random() < 0.01:
            return Fault(refused=AuthError("key revoked"))
        return self.storm(method, call)

    def account(self, context: AccountContext[Any]) -> ExchangeAccount:
        if context.name not in self.wires:
            self.wires[context.name] = Wire(self, context.name)
        return self.wires[context.name]

    def registry(self) -> Registry:
        return Registry.of(
            SignalSourceSpec(name="pushed", settings=Options, factory=self.source),
            ExchangeSpec(name="fake", settings=Options, factory=self.account),
        )

    # -- the engine's life

    async def start(self) -> None:
        self.journal = Journal.open(
            self.folder / "j.sqlite3", clock=self.clock, new_id=lambda: "j", inline=True
        )
        self.engine = Engine(
            journal=self.journal,
            registry=self.registry(),
            clock=self.clock,
            log=logger,
            state_dir=self.folder,
        )
        await self.engine.start(self.resolved())

    def resolved(self) -> Resolved:
        return resolve(Settings.model_validate(self.settings), self.registry())

    async def stop(self) -> None:
        await self.engine.stop()
        self.journal.close()

    async def kill(self) -> None:
        """End everything that the engine runs where it stands."""
        self.engine.netting.heartbeat.stop()
        self.engine.netting._expiry.stop()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.journal.close()
        await asyncio.sleep(0.001)

    # -- what happens

    async def signal(self) -> None:
        source, symbol = self.chance.choice(["tv", "sn"]), self.chance.choice(list(PRICES))
        if not self.runs(source):
            return
        depth, number = self.chance.choice(["0", "0.2", "-0.2", "0.6", "-1", "1"]), str(len(self.delivered))
        await self.deliver(source, symbol, depth, number)
        self.delivered.append((source, symbol, depth, number))
        self.delivered_at = self.clock.now()
        self.said[source, symbol] = D(depth)

    async def again(self) -> None:
        """The latest signal is delivered once more."""
        fresh = self.delivered and self.clock.now() - self.delivered_at <= WINDOW
        if fresh and self.runs(self.delivered[-1][0]):
            assert await self.deliver(*self.delivered[-1]) is Publication.DUPLICATE

    async def deliver(self, source: str, symbol: str, depth: str, number: str) -> Publication:
        return await self.say(source, depth, symbol, delivery_id=number, dedupe_for=WINDOW)

    def runs(self, source: str) -> bool:
        return self.engine.sources[source].instance is not None

    async def edit(self) -> None:
        path, values = self.chance.choice(EDITS)
        if path.startswith("accounts.") and path.split(".")[1] not in self.settings["accounts"]:
            return
        self.settings = changed(self.settings, path, self.chance.choice(values))
        applying = asyncio.create_task(self.engine.apply(self.resolved()))
        if self.chance.random() < 0.5:
            await asyncio.sleep(0.1)
            await self.signal()
        await applying
        self.applied = self.settings

    async def look(self) -> None:
        """Whoever looks at the engine gets an answer."""
        Queries(self.engine).state()
        Queries(self.engine).readiness()
        await Queries(self.engine).plan()

    async def happen(self) -> None:
        draw = self.chance.random()
        if draw < 0.5:
            await self.signal()
        elif draw < 0.6:
            await self.again()
        elif draw < 0.65:
            await self.look()
        elif draw < 0.9:
            await self.edit()
        else:
            await (self.stop() if draw < 0.95 else self.kill())
            await asyncio.sleep(self.chance.choice([0, 5, 90]))
            await self.start()

    # -- what must hold

    def allows(self, account: str) -> str:
        """What the newest settings let an account send."""
        return permission(self.settings, account)

    def allowed(self, account: str) -> str:
        """What those did that are in force for sure: while they are applied, both are right."""
        return permission(self.applied, account)

    def depth(self, symbol: str) -> Decimal:
        settings = self.settings
        if symbol not in settings["symbols"] or not settings.get("plugins", {}).get("pushed", ON)["enabled"]:
            return D(0)
        total = D(0)
        for source, weight in settings["symbols"][symbol]["weights"].items():
            section = settings["sources"][source]
            ended = section.get("max_age") and section.get("on_expiry", "hold") != "hold"
            if section.get("enabled", True) and not ended:
                total += D(str(weight)) * self.said.get((source, symbol), D(0))
        return total

    def goals(self, account: str) -> Mapping[str, Decimal]:
        section, goals = self.settings["accounts"][account], {}
        for symbol, price in PRICES.items():
            depth = self.depth(symbol) if section.get("enabled", True) else D(0)
            leverage = section.get("leverage") or self.settings["symbols"].get(symbol, {}).get("leverage", 1)
            steps = abs(10000 * depth * leverage / D(price)) // D("0.001")
            goals[symbol] = (steps * D("0.001")).copy_sign(depth)
        return goals

    def amiss(self) -> list[str]:
        found = list(self.violations)
        for account in self.settings["accounts"]:
            if self.allows(account) == "nothing":
                continue
            for symbol, goal in self.goals(account).items():
                held = self.venue(account).quantity(symbol)
                if not at_target(held, goal, D("0.001")):
                    state = self.engine.accounts[account].worker.keepers.get(symbol)
                    found.append(f"{account} holds {held} {symbol}, not {goal}: {state and state.reason}")
        for account in self.wires:
            twice = [order for order, times in self.venue(account).executed.items() if times > 1]
            found += [f"{account} executed {twice} twice"] * bool(twice)
        return found

    def venue(self, account: str) -> Venue:
        wire = self.wires.get(account)
        inner = wire.inner if wire else Venue(self.clock)
        assert isinstance(inner, Venue)
        return inner


async def simulate(folder: Path, seed: int) -> None:
    chance, clock = random.Random(seed), VirtualClock()
    world = World(folder, clock, chance)
    await world.start()
    for _ in range(30):
        world.down = outage(chance)
        await world.happen()
        await asyncio.sleep(chance.choice([0, 0.3, 2, 9, 40, 100]))
    world.calm = True
    await asyncio.sleep(60)  # what was under way may still fail, and stop an account
    for name in world.settings["accounts"]:
        runner = world.engine.accounts.get(name)
        if runner is not None and runner.health.status is Running.FAILING:  # for up to an hour
            world.engine.resume("accounts", name)
    await world.engine.apply(world.resolved())
    world.applied = world.settings
    await asyncio.sleep(400)
    assert not (amiss := world.amiss()), f"seed {seed}: {amiss}"
    sent = {name: len(wire.sent) for name, wire in world.wires.items()}
    await asyncio.sleep(600)
    assert sent == {name: len(wire.sent) for name, wire in world.wires.items()}, f"seed {seed}: sent at rest"
    await world.stop()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_account_ends_where_signals_and_settings_put_it(seed: int, tmp_path: Path) -> None:
    logger.disable("te_core")
    try:
        virtual_clock.run(simulate(tmp_path, seed))
    finally:
        logger.enable("te_core")
