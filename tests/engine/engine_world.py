"""What outlives an engine in a simulation: exchanges, settings, what was said; and how the engine starts and ends."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from loguru import logger

from te_core.api import Capabilities, ExchangeSpec, NotReady, SignalSource, SignalSourceSpec, SourceContext
from te_core.journal.journal import Journal
from te_core.journal.snapshot import AccountRecord
from te_core.plugins.registry import Registry
from te_core.runtime.engine import Engine
from te_core.settings.resolution import Resolved, resolve
from te_core.settings.schema import Settings
from te_core.testing.faults import Fault
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.commanding import Commanding
from tests.engine.edits import SETTINGS
from tests.engine.engine_harness import Options, Trader, changed
from tests.engine.seeds import other_tasks
from tests.engine.shared_exchange import FOREIGN, UIDS, Connection, SharedExchange
from tests.engine.weather import out, storm

SOURCE_KINDS = {
    "source cancels": asyncio.CancelledError,
    "source exits": SystemExit,
    "source is interrupted": KeyboardInterrupt,
    "source fails": ValueError,
}


class EngineWorld(Trader):
    """Sources and accounts that fail now and then, and the engine that is started and killed between them."""

    def __init__(
        self, folder: Path, clock: VirtualClock, chance: random.Random, kinds: frozenset[str]
    ) -> None:
        super().__init__(clock)
        self.folder, self.chance, self.kinds = folder, chance, kinds
        self.counts: Counter[str] = Counter()
        self.capabilities = Capabilities(private_stream=chance.random() < 0.5)
        self.settings: dict[str, Any] = dict(SETTINGS)
        if "go" in kinds and chance.random() < 0.4:  # as an operator writes it: new accounts observe
            for name in SETTINGS["accounts"]:
                self.settings = changed(self.settings, f"accounts.{name}.observe", None)
        self.applied = self.settings
        self.commanding = Commanding()
        self.said: dict[tuple[str, str], Decimal] = {}
        self.delivered: list[tuple[str, str, str, str]] = []
        self.storm = storm(chance, chance.choice([0, 0.3, 1]))
        self.down: frozenset[str] = frozenset()
        self.calm = False
        self.connections: list[Connection] = []
        self.exchanges = {
            uid: SharedExchange(clock, uid, chance, self.counts) for uid in set_of(UIDS.values())
        }
        owned = self.exchanges[FOREIGN[0]]
        owned.hold(*FOREIGN[1:])
        owned.showing.held_all_along(owned.held)

    def fault(self, method: str, call: int) -> Fault | None:
        if self.calm:
            return None
        if fault := out(self.down, method):
            return fault
        if method == "open" and self.chance.random() < 0.2:
            return Fault(refused=NotReady("cannot be reached"))
        if method == "close" and self.chance.random() < 0.2:
            self.counts["close hangs"] += 1
            return Fault(delay=20)
        found = self.storm(method, call)
        late = found is not None and (found.lag or found.late)
        return None if late and any(v.showing.read_lag for v in self.exchanges.values()) else found

    def source(self, context: SourceContext[Any]) -> SignalSource:
        world = self

        class Source(SignalSource):
            async def run(self) -> None:
                await world.stray()

        self.sources[context.name] = context
        return Source()

    async def stray(self) -> None:
        """Run like a source; now and then return, which a source must not do."""
        kinds = [kind for kind in SOURCE_KINDS if kind in self.kinds]
        await asyncio.sleep(self.chance.uniform(10, 2000) if kinds else 1e9)
        if self.calm:
            await asyncio.Event().wait()
        kind = self.chance.choice(kinds)
        self.counts[kind] += 1
        raise SOURCE_KINDS[kind]("stray")

    def registry(self) -> Registry:
        return Registry.of(
            SignalSourceSpec(name="pushed", settings=Options, factory=self.source),
            ExchangeSpec(name="fake", settings=Options, factory=self.account, capabilities=self.capabilities),
        )

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
        self.counts["stop"] += 1
        await self.engine.stop()
        self.journal.close()

    async def kill(self) -> None:
        """Kill every task of the engine wherever it is."""
        self.counts["kill"] += 1
        self.engine.netting.heartbeat.stop()
        self.engine.netting._expiry.stop()
        self.engine.commands.stop()
        tasks = other_tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.journal.close()
        for exchange in self.exchanges.values():
            exchange.trader = None
        await asyncio.sleep(0.001)  # virtual: what was said before was said before

    def runs(self, source: str) -> bool:
        return self.engine.sources[source].instance is not None

    def uid_of(self, account: str) -> str:
        return UIDS[self.settings["accounts"][account]["key"]]

    def exchange_of(self, key: str) -> SharedExchange:
        return self.exchanges[UIDS[key]]

    def met(self) -> Sequence[AccountRecord]:
        """Return the accounts that the engine has seen."""
        return self.journal.accounts()

    def who(self, name: str) -> set[str]:
        """Return the name that commands use for a section's account."""
        key = self.settings["accounts"][name]["key"] if name in self.settings["accounts"] else None
        uid = UIDS[key] if key is not None else None
        return {name, *(f"#{record.book}" for record in self.met() if record.uid == uid)}

    def weights(self, symbol: str) -> Mapping[str, Any]:
        """Return the weights of a symbol's sources."""
        weights: Mapping[str, Any] = self.settings["symbols"].get(symbol, {}).get("weights", {})
        return weights


def set_of(values: Any) -> list[str]:
    """Return each value once, in order."""
    return list(dict.fromkeys(values))
