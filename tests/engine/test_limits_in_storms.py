"""Storms of faults while prices move and positions are changed by hand: no increase exceeds a limit."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from loguru import logger

from te_core.api import Known, OrderReport, OrderRequest
from te_core.settings.schema import LimitSettings
from te_core.testing import virtual_clock
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import FaultyAccount
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.test_simulation import PRICES
from tests.engine.weather import storm
from tests.engine.worker_harness import WorkerHarness

SEEDS = int(os.environ.get("TE_SEEDS", "25"))
D = Decimal
LIMITS = LimitSettings(
    order_notional=D(3000), symbol_exposure=D(7000), account_exposure=D(12000), orders_per_minute=None
)
ON_ITS_WAY = 20
"""Maximum seconds between the read of a price and the fill of an order that was planned with it."""


class Market(FakeAccount):
    """Checks every fill at the lowest price that the engine may have planned it with."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock, **PRICES)
        self.answered: list[tuple[float, str, Decimal]] = []
        self.violations: list[str] = []
        self.increases = 0

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        known = await super().prices(symbols)
        self.answered += [(self.clock.monotonic(), symbol, price) for symbol, price in known.value.items()]
        return known

    def low(self, symbol: str) -> Decimal:
        since = self.clock.monotonic() - ON_ITS_WAY
        return min((p for at, name, p in self.answered if name == symbol and at >= since), default=D(0))

    def fill(self, order: OrderRequest, share: Decimal = Decimal(1)) -> OrderReport:
        report = super().fill(order, share)
        if not order.reduce_only:
            self.increases += 1
            held = {symbol: abs(self.quantity(symbol)) * self.low(symbol) for symbol in PRICES}
            checks = [
                (order.quantity * self.low(order.symbol), LIMITS.order_notional),
                (held[order.symbol], LIMITS.symbol_exposure),
                (sum(held.values()), LIMITS.account_exposure),
            ]
            self.violations += [f"{sum_} > {limit}" for sum_, limit in checks if limit and sum_ > limit]
        return report

    def move(self, chance: random.Random) -> None:
        for symbol, price in self.price.items():
            factor = D(chance.choice(["1", "1", "0.5", "0.7", "0.98", "1.02", "1.3", "2"]))
            self.price[symbol] = (price * factor).quantize(D("0.01"))
        if chance.random() < 0.3:
            symbol = chance.choice(list(PRICES))
            self.hold(symbol, str((self.quantity(symbol) / 2).quantize(D("0.001"))))


async def simulate(folder: Path, seed: int) -> None:
    chance, clock = random.Random(seed), VirtualClock()
    market = Market(clock)
    faults, calm = storm(chance, chance.choice([0.3, 1, 2])), False
    account = FaultyAccount(market, faults=lambda method, call: None if calm else faults(method, call))
    harness = WorkerHarness(folder, account, clock, limits=LIMITS)
    for _ in range(15):
        market.move(chance)
        depth = chance.choice(["0", "0.2", "-0.2", "0.5", "-0.35", "0.9", "0.21"])
        await harness.want(chance.choice(list(PRICES)), depth, wait=chance.choice([0.3, 2, 40, 90]))
    calm = True
    await harness.go(400)
    sent = len(market.requests)
    await harness.go(600)
    assert market.violations == [], f"seed {seed}"
    assert market.increases > 3
    assert len(market.requests) == sent, f"seed {seed}: orders were sent at target"
    assert all(state.confirmed for state in harness.worker.keepers.values()), f"seed {seed}"
    await harness.crash()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_increase_passes_a_limit_at_the_present_price(seed: int, tmp_path: Path) -> None:
    logger.disable("te_core")
    try:
        virtual_clock.run(simulate(tmp_path, seed))
    finally:
        logger.enable("te_core")
