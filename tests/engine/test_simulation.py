"""Seeded storms of faults and crashes: every account ends at its targets, no order is executed twice.

The goals are known beforehand: there are only signals and faults. ``test_market_simulation.py`` has the rest.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import AccountStream, Known, MarginMode, OrderReport, OrderRequest, Position
from te_core.runtime.guarded_account import GuardedAccount
from te_core.testing import virtual_clock
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault
from te_core.testing.virtual_clock import VirtualClock
from tests.engine import odd, showing
from tests.engine.odd import OddAccount
from tests.engine.seeds import blocks, run_block
from tests.engine.showing import Showing
from tests.engine.weather import SWALLOWED, out, outage, storm
from tests.engine.worker_harness import SupervisedHarness

PRICES = {"BTCUSDT": "50000", "ETHUSDT": "2500", "SOLUSDT": "100"}
STEP = Decimal("0.001")
KINDS = frozenset(
    (
        *odd.KINDS,
        *(kind for kind in showing.KINDS if kind != "ticker stops"),
        "kill",
        "outage",
        "order not taken",
        "order lost, executed",
        "order late",
        "order swallowed",
        "order filled in part",
        "reads miss an order",
        "observe",
        "go",
        "stale read",
    )
)
CALM = 4200
"""Seconds after which every back-off has ended, including that of a key that was refused for hours."""


class SimulatedExchange(FakeAccount):
    """Stores the truth, executes whatever arrives (no duplicate check) and checks each fill."""

    def __init__(self, clock: VirtualClock, chance: random.Random) -> None:
        super().__init__(clock, **PRICES)
        self.counts: Counter[str] = Counter()
        self.showing = Showing(clock, chance, self.counts)
        self.wanted: dict[str, set[Decimal]] = {symbol: {Decimal(0)} for symbol in PRICES}
        self.executed: Counter[str] = Counter()
        self.violations: list[str] = []
        """Collected, not raised: the engine catches what an account raises."""

    def want(self, symbol: str, depth: Decimal) -> Decimal:
        quantity = (10000 * abs(depth) / self.price[symbol]) // STEP * STEP
        signed = quantity.copy_sign(depth)
        self.wanted[symbol].add(signed)
        return signed

    def fill(self, order: OrderRequest, share: Decimal = Decimal(1)) -> OrderReport:
        self.executed[order.client_order_id] += 1
        if self.executed[order.client_order_id] > 1:
            self.violations.append(f"{order.client_order_id} was executed twice")
            self.orders.pop(order.client_order_id)
        report = super().fill(order, share)
        self.showing.order(order.client_order_id, order.symbol)
        held, wanted = self.quantity(order.symbol), self.wanted[order.symbol]
        if not min(wanted) - STEP <= held <= max(wanted) + STEP:
            self.violations.append(f"{order.symbol} passed beyond every goal: {held}")
        return report

    def _set(self, symbol: str, quantity: Decimal) -> None:
        super()._set(symbol, quantity)
        self.showing.changed(self.held)
        self.showing.position(self.held[symbol])

    async def positions(self) -> Known[Mapping[str, Position]]:
        known = Known(value=self.showing.held()[1], as_of=self.clock.now())
        return self.showing.answer("positions", known)

    async def watch(self, stream: AccountStream) -> None:
        await self.showing.watch(stream, self.price)


class Connection(OddAccount):
    """Records ids that are sent twice, and what is sent while the account observes."""

    ids: Counter[str]
    observes = False

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.ids[order.client_order_id] += 1
        self._sends(order)
        return await super().place_order(order)

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        self._sends(f"leverage {leverage} of {symbol}")
        await super().set_leverage(symbol, leverage, margin_mode)

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        self._sends(f"{margin_mode} of {symbol}")
        await super().set_margin_mode(symbol, margin_mode)

    def _sends(self, what: object) -> None:
        if self.observes:
            self.inner.violations.append(f"{what} was sent while observing")  # type: ignore[attr-defined]


def kind_of(fault: Fault) -> str:
    """Return the kind of event that a fault of the storm counts as."""
    if fault is SWALLOWED:
        return "order swallowed"
    if fault.late:
        return "order late"
    if fault.lost is not None:
        return "order lost, executed"
    if fault.share is not None:
        return "order filled in part"
    if fault.stale:
        return "stale read"
    return "reads miss an order" if fault.lag else "order not taken" if fault.refused else "delay"


class Storm:
    """A storm of faults, and outages; ``calm`` ends the storm."""

    def __init__(self, exchange: SimulatedExchange, chance: random.Random) -> None:
        self.exchange = exchange
        self.storm = storm(chance, chance.choice([0.3, 1, 2]))
        self.down: frozenset[str] = frozenset()
        self.calm = False

    def __call__(self, method: str, call: int) -> Fault | None:
        if fault := out(self.down, method):
            self.exchange.counts["order swallowed"] += fault is SWALLOWED
            return fault
        found = None if self.calm else self.storm(method, call)
        if found is None or ((found.lag or found.late) and self.exchange.showing.read_lag):
            return None  # together they would exceed the promised delay
        self.exchange.counts[kind_of(found)] += 1
        return found


async def simulate(folder: Path, seed: int, kinds: frozenset[str] = KINDS) -> Counter[str]:
    """Run one seed with those kinds of events; return how often each happened."""
    chance, clock = random.Random(seed), VirtualClock()
    exchange = SimulatedExchange(clock, chance)
    faults, counts = Storm(exchange, chance), exchange.counts
    account = Connection(exchange, faults=faults, chance=chance, counts=counts, kinds=kinds)
    account.ids = Counter()
    harness = SupervisedHarness(folder, GuardedAccount(account), clock, streams=chance.random() < 0.5)
    goals = dict.fromkeys(PRICES, Decimal(0))
    blends: dict[str, str] = {}
    for _ in range(12):
        symbol = chance.choice(list(PRICES))
        depth = chance.choice(["0", "0.2", "-0.2", "0.5", "-0.35", "0.9", "0.21"])
        goals[symbol], blends[symbol] = exchange.want(symbol, Decimal(depth)), depth
        faults.down = outage(chance)
        counts["outage"] += bool(faults.down)
        exchange.showing.draw(tuple(PRICES), kinds)
        await harness.want(symbol, depth, chance.choice([1, 1, 1]), wait=chance.choice([0, 0.3, 2, 9, 40]))
        if "observe" in kinds and chance.random() < 0.2:
            account.observes = not account.observes
            counts["observe" if account.observes else "go"] += 1
            harness.configure(observe=account.observes)
        if chance.random() < 0.15:
            counts["kill"] += 1
            await harness.crash()
            harness.start()
            for name, said in blends.items():
                await harness.want(name, said, wait=0)
    faults.calm = account.calm = True
    faults.down = frozenset()
    account.observes = False
    harness.configure()
    exchange.showing.clear()
    await harness.go(CALM if kinds else 260)
    held = {symbol: exchange.quantity(symbol) for symbol in PRICES}
    assert held == goals, f"{[(s.symbol, s.status, s.reason) for s in harness.worker.keepers.values()]}"
    assert account.calls["positions"] < clock.monotonic() / 2, "asked without pause"
    sent = len(exchange.requests)
    await harness.go(600)
    assert len(exchange.requests) == sent, "orders were sent at target"
    assert not harness.journal.snapshot().open_intents
    assert exchange.violations == []
    assert not (twice := [order for order, times in account.ids.items() if times > 1]), f"sent twice: {twice}"
    await harness.crash()
    counts["calls"] = sum(account.calls.values())
    return counts


@pytest.mark.parametrize("seeds", blocks(100, 50), ids=str)
def test_every_account_reaches_its_targets_through_any_storm(seeds: range, tmp_path: Path) -> None:
    run_block(simulate, tmp_path, seeds, KINDS)


def test_a_seed_gives_the_same_run_twice(tmp_path: Path) -> None:
    runs = [virtual_clock.run(simulate(tmp_path / name, 7, frozenset())) for name in ("first", "second")]
    assert runs[0] == runs[1]
    assert runs[0]["calls"] > 50
