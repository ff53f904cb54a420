"""Seeded storms of faults and crashes: every account ends at its targets, no order is executed twice.

The number of seeds is raised with TE_SEEDS (``make soak``).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from loguru import logger

from te_core.api import (
    InsufficientMargin,
    NotReady,
    OrderReport,
    OrderRequest,
    OutcomeUnknown,
    RateLimited,
)
from te_core.testing import virtual_clock
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, Faults, FaultyAccount, seeded
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.desk import Desk

SEEDS = int(os.environ.get("TE_SEEDS", "400"))
PRICES = {"BTCUSDT": "50000", "ETHUSDT": "2500", "SOLUSDT": "100"}
STEP = Decimal("0.001")


class Venue(FakeAccount):
    """Keeps the truth, executes whatever arrives (no duplicate check) and checks each fill."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock, **PRICES)
        self.wanted: dict[str, set[Decimal]] = {symbol: {Decimal(0)} for symbol in PRICES}
        self.executed: Counter[str] = Counter()
        self.violations: list[str] = []
        """Collected, not raised: the engine contains what an account raises."""

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
        held, wanted = self.quantity(order.symbol), self.wanted[order.symbol]
        if not min(wanted) - STEP <= held <= max(wanted) + STEP:
            self.violations.append(f"{order.symbol} passed beyond every goal: {held}")
        return report


def storm(chance: random.Random, strength: float) -> Faults:
    rates: dict[str, list[tuple[float, Fault]]] = {
        "place_order": [
            (0.05, Fault(refused=NotReady("busy"))),
            (0.03, Fault(refused=RateLimited("slow down", retry_after=3))),
            (0.03, Fault(refused=InsufficientMargin("short"))),
            (0.06, Fault(lost=OutcomeUnknown("timeout"))),
            (0.05, Fault(lost=OutcomeUnknown("timeout"), late=5)),
            (0.05, Fault(share=Decimal("0.5"))),
            (0.10, Fault(delay=1.5)),
            (0.10, Fault(lag=3)),
            (0.03, Fault(lag=3, share=Decimal("0.5"))),
            (0.03, Fault(lag=3, lost=OutcomeUnknown("timeout"))),
        ],
        "positions": [
            (0.10, Fault(refused=NotReady("down"))),
            (0.05, Fault(stale=True)),
            (0.05, Fault(delay=2)),
        ],
        "equity": [(0.05, Fault(refused=NotReady("down")))],
        "prices": [(0.05, Fault(refused=NotReady("down")))],
        "find_order": [(0.15, Fault(refused=NotReady("down")))],
        "set_leverage": [(0.05, Fault(refused=NotReady("down")))],
        "instruments": [(0.2, Fault(refused=NotReady("down")))],
    }
    return seeded(
        chance.random, {name: [(rate * strength, f) for rate, f in row] for name, row in rates.items()}
    )


METHODS = ("place_order", "positions", "equity", "prices", "find_order", "set_leverage", "instruments")


def outage(chance: random.Random) -> frozenset[str]:
    """What cannot be reached until the next signal: mostly nothing, else everything or a part of it."""
    if chance.random() < 0.8:
        return frozenset()
    return frozenset(METHODS if chance.random() < 0.5 else chance.sample(METHODS, chance.randint(1, 4)))


async def simulate(folder: Path, seed: int) -> tuple[int, int]:
    chance = random.Random(seed)
    clock = VirtualClock()
    venue = Venue(clock)
    faults = storm(chance, chance.choice([0.3, 1, 2]))
    calm = False
    down: frozenset[str] = frozenset()

    def fault(method: str, call: int) -> Fault | None:
        if method in down:
            return Fault(refused=NotReady("cannot be reached"))
        return None if calm else faults(method, call)

    account = FaultyAccount(venue, faults=fault)
    desk = Desk(folder, account, clock)
    goals = dict.fromkeys(PRICES, Decimal(0))
    wishes: dict[str, str] = {}
    crashes = 0
    for _ in range(12):
        symbol = chance.choice(list(PRICES))
        depth = chance.choice(["0", "0.2", "-0.2", "0.5", "-0.35", "0.9", "0.21"])
        goals[symbol], wishes[symbol] = venue.want(symbol, Decimal(depth)), depth
        down = outage(chance)
        await desk.want(symbol, depth, chance.choice([1, 1, 1]), wait=chance.choice([0, 0.3, 2, 9, 40]))
        if chance.random() < 0.15:
            crashes += 1
            await desk.crash()
            desk.start()
            for name, said in wishes.items():
                await desk.want(name, said, wait=0)
    calm, down = True, frozenset()
    await desk.go(260)
    held = {symbol: venue.quantity(symbol) for symbol in PRICES}
    assert held == goals, (
        f"seed {seed}: {[(s.symbol, s.status, s.reason) for s in desk.worker.keepers.values()]}"
    )
    assert account.calls["positions"] < clock.monotonic() / 2, f"seed {seed}: asked without pause"
    sent = len(venue.requests)
    await desk.go(600)
    assert len(venue.requests) == sent, f"seed {seed}: orders were sent at target"
    assert not desk.journal.memory().open_intents
    assert venue.violations == [], f"seed {seed}"
    await desk.crash()
    return sum(account.calls.values()), crashes


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_account_reaches_its_targets_through_any_storm(seed: int, tmp_path: Path) -> None:
    logger.disable("te_core")
    try:
        virtual_clock.run(simulate(tmp_path, seed))
    finally:
        logger.enable("te_core")


def test_a_seed_gives_the_same_run_twice(tmp_path: Path) -> None:
    runs = [virtual_clock.run(simulate(tmp_path / name, 7)) for name in ("first", "second")]
    assert runs[0] == runs[1]
    assert runs[0][0] > 50
