"""Seeded storms in which the world moves too: money, prices, settings, instruments, streams, owners who trade by hand.

What ``test_simulation.py`` cannot express: there only signals and faults come. Here the goal is not known beforehand,
so what counts is that the engine's own goal is the one that its settings ask for, that the account gets there, and that
``judge.py`` finds nothing wrong on the way. ``market_world.py`` has the worker in that world, ``market_checks.py`` what
must hold in the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

from te_core.settings.schema import LimitSettings
from te_core.testing.virtual_clock import VirtualClock
from tests.engine import market, odd, showing
from tests.engine.judge import busiest_minute
from tests.engine.market import PRICES, Habits, Market
from tests.engine.market_checks import CheckedMarketWorld
from tests.engine.market_world import ARMED, DEPTHS, Connection
from tests.engine.seeds import blocks, run_block
from tests.engine.showing import ARRIVED, SUSPENDED
from tests.engine.weather import Weather, outage

D = Decimal
KINDS = frozenset(
    (
        *market.KINDS,
        *showing.KINDS,
        *odd.KINDS,
        "signal",
        "signal withdrawn",
        "settings edited",
        "limits set",
        "limits lifted",
        "stop",
        "kill",
        "order swallowed",
        "halt",
        "flatten",
        "resume",
        "flatten foreign",
        "by hand",
        "observe",
        "go",
        "wall clock steps",
        SUSPENDED,
        "price is missing",
        "symbol is not listed",
        "only orders are pushed",
        "breaker halts",
        "breaker flattens",
        "breaker is lifted",
    )
)
DRIFTS: list[Literal["reduce", "heal", "alert"]] = ["reduce", "heal", "alert"]
CALM = 4200
"""Seconds after which every back-off has ended, including that of a key that was refused for hours."""


class World(CheckedMarketWorld):
    """One more thing happens, and then the next."""

    def signal(self) -> None:
        symbol = self.chance.choice(list(PRICES))
        withdrawn = self.chance.random() < 0.1
        how = None if withdrawn else (self.chance.choice(DEPTHS), self.chance.choice([1, 1, 2, 3, 5]))
        self.blends[symbol], self.said_at[symbol] = how, str(self.market.price[symbol])
        self.counts["signal withdrawn" if withdrawn else "signal"] += 1
        self.worker.retarget({symbol: self.blend(symbol)})

    def edit(self) -> None:
        """The operator changes a setting."""
        choices: dict[str, list[Any]] = {
            "enabled": [True, True, False],
            "drift": DRIFTS,
            "adopt": [False, True],
            "equity": ["wallet", "total"],
            "below_minimum": ["skip", "raise"],
            "margin_mode": ["isolated", "cross"],
            "leverage": [None, 2, 4],
            "rebalance": ["on_change", "band"],
            "concurrency": [1, 2, 10],
        }
        key = self.chance.choice(list(choices))
        self.keys[key] = self.chance.choice(choices[key])
        self.counts["settings edited"] += 1
        self.configure(**self.keys)

    def limit(self) -> None:
        """The operator sets limits, or lifts them."""
        limits = self.chance.choice(
            [
                LimitSettings(),
                LimitSettings(),
                LimitSettings(leverage=2, price_distance=D("0.02")),
                LimitSettings(order_notional=D(1000), price_distance=D("0.02")),
                LimitSettings(order_notional=D(3000), orders_per_minute=20),
                LimitSettings(symbol_exposure=D(4000), account_exposure=D(7000), orders_per_minute=8),
                LimitSettings(symbol_exposure=D(2500), account_exposure=D(3000)),
                LimitSettings(symbol_share=D("0.4"), direction_share=D("0.6")),
                LimitSettings(direction_share=D("0.3"), liquidation_distance=D("0.3")),
            ]
        )
        self.counts["limits lifted" if limits == LimitSettings() else "limits set"] += 1
        self.keys["limits"] = limits
        self.configure(**self.keys)

    def arm_breakers(self) -> None:
        """The operator arms other breakers; tripped ones stay tripped."""
        if self.task.done() or not self.kinds & {"breaker halts", "breaker flattens"}:
            return
        if self.held_by_breakers and "breaker is lifted" in self.kinds and self.chance.random() < 0.7:
            self._resume("")
            return
        self.armed = self.chance.choice(ARMED)
        self.arm()

    def operate(self) -> None:
        """The operator issues a command, now or in the middle of what a signal starts."""
        if self.chance.random() < 0.5:
            self.command()
        else:
            self.signal()
            asyncio.get_running_loop().call_later(self.chance.uniform(0.01, 1), self.command)

    def observe(self) -> None:
        """The operator sets the account to observe, or allows it to trade again."""
        self.keys["observe"] = not self.keys.get("observe", False)
        self.counts["observe" if self.keys["observe"] else "go"] += 1
        self.configure(**self.keys)

    async def die(self) -> None:
        stops = self.chance.random() < 0.5
        self.counts["stop" if stops else "kill"] += 1
        if stops:
            await self.worker.drain(timedelta(seconds=1))
        await self.crash()
        await asyncio.sleep(self.chance.choice([0, 3, 60]))
        if self.clock.monotonic() - self.stepped_at < 120:
            self.judge.orders_forgotten()
        self.start()
        self.check_breakers()

    def step_the_clock(self) -> None:
        """The wall clock is corrected, or goes wrong."""
        self.counts["wall clock steps"] += 1
        self.stepped_at = self.clock.monotonic()
        self.clock.shift += timedelta(seconds=self.chance.choice([-3 * 3600, -60, 60, 3 * 3600]))

    def suspend(self) -> None:
        """The machine is suspended, and its stream does not outlive that; sometimes a signal is the first to arrive."""
        if self.clock.monotonic() - self.sent_at < ARRIVED:
            return
        self.counts[SUSPENDED] += 1
        self.market.showing.silent = self.woken = True
        self.clock.suspend(self.chance.choice([20, 300, 7200]))
        if self.chance.random() < 0.3:
            self.market.trade_by_hand()
        if self.chance.random() < 0.5:
            self.market.move()
            self.signal()

    def miss(self) -> None:
        """A symbol has no price, or is not listed, for a while."""
        kind, symbols = self.chance.choice(
            [("price is missing", self.market.unpriced), ("symbol is not listed", self.market.unlisted)]
        )
        symbols ^= {self.chance.choice(list(PRICES))}
        self.counts[kind] += bool(symbols)

    def stir(self) -> None:
        """The exchange changes how it reports things, prices move away from plans, orders take longer."""
        if not self.woken:  # else its stream is still silent
            self.market.showing.draw(tuple(PRICES), self.kinds)
        self.woken = False
        self.market.restless = "prices move through a plan" in self.kinds and self.chance.random() < 0.3
        self.weather.slow = self.chance.choice([0, 0, 3]) if self.market.restless else 0

    async def happen(self) -> None:
        """Cause one more event."""
        happenings: list[tuple[float, Callable[[], None]]] = [
            (0.29, self.signal),
            (0.08, self.edit),
            (0.08, self.limit),
            (0.08, self.market.trade_by_hand),
            (0.03, self.market.change_settings_by_hand),
            (0.05, self.market.liquidate),
            (0.07, self.market.change_equity),
            (0.04, self.market.change_instrument),
            (0.05, self.miss),
            (0.03, self.worker.wake),
            (0.06, self.operate),
            (0.2 if self.held_by_breakers else 0.03, self.arm_breakers),
        ]
        if "observe" in self.kinds:
            happenings.append((0.03, self.observe))
        if "wall clock steps" in self.kinds:
            happenings.append((0.03, self.step_the_clock))
        if SUSPENDED in self.kinds:
            happenings.append((0.03, self.suspend))
        draw = self.chance.random()
        for share, happening in happenings:
            if draw < share:
                happening()
                break
            draw -= share
        else:
            if draw < 0.05:
                await self.die()
            else:
                with contextlib.suppress(Exception):
                    await self.worker.preview()
        self.stir()
        self.market.move()


async def simulate(folder: Path, seed: int, kinds: frozenset[str] = KINDS) -> Counter[str]:
    """Run one seed with those kinds of events; return how often each happened."""
    chance, clock = random.Random(seed), VirtualClock()
    market = Market(clock, chance, Habits.drawn(chance), kinds=kinds)
    weather = Weather(chance, market)
    connection = Connection(market, faults=weather, chance=chance, counts=market.counts, kinds=kinds)
    harness = World(folder, market, connection, weather, clock)
    for _ in range(25):
        weather.down = outage(chance)
        await harness.happen()
        harness.check_breakers()
        await harness.go(chance.choice([0, 0.3, 2, 9, 40] * 8 + [4000]))
    market.clear()
    weather.calm = connection.calm = True
    harness.keys["observe"] = False
    harness.configure(**harness.keys)
    harness.armed = {}  # what tripped stays
    harness.arm()
    await harness.go(CALM)
    harness.check_breakers()
    assert not harness.judge.violations, harness.judge.violations
    assert not (defects := [one.text for one in harness.events if "cannot compute profit" in one.text]), (
        defects
    )
    assert not (amiss := harness.amiss()), amiss
    assert busiest_minute(connection.read_at) < 90, "asked without pause"
    sent, held = len(connection.sent), dict(market.held)
    keeps_sizes = (
        harness.settings.policy.rebalance == "on_change" and harness.settings.limits.price_distance is None
    ) and not harness.settings.limits.by_notional
    for _ in range(5):
        await harness.go(120)
        if keeps_sizes:
            market.move()
    assert len(connection.sent) == sent, "orders were sent at target"
    assert held == market.held
    assert not (left := harness.journal.snapshot().open_intents), left
    assert not harness.judge.violations, harness.judge.violations
    await harness.crash()
    return market.counts


@pytest.mark.parametrize("seeds", blocks(50, 50), ids=str)
def test_every_account_reaches_its_targets_while_the_world_moves(seeds: range, tmp_path: Path) -> None:
    run_block(simulate, tmp_path, seeds, KINDS)
