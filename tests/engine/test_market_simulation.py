"""Seeded storms in which the world moves too: margin, prices, settings, instruments, fills, owners who trade by hand.

What ``test_simulation.py`` cannot express: there only signals and faults come. Here the goal is not known beforehand,
so what counts is that the engine's own goal is the one that its settings ask for, and that the account gets there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.accounts.exposure import ExposureLedger
from te_core.accounts.keeper import Keeper
from te_core.api import AuthError, Known, NotReady, OrderReport, OrderRequest, Position, RateLimited
from te_core.model.target import Blend, Confirmation
from te_core.rules.plan import at_target
from te_core.settings.schema import LimitSettings
from te_core.testing import virtual_clock
from te_core.testing.faults import Fault, FaultyAccount
from te_core.testing.virtual_clock import START, VirtualClock
from tests.engine.desk import Desk, wish
from tests.engine.market import PRICES, Habits, Market
from tests.engine.test_simulation import outage, storm

SEEDS = int(os.environ.get("TE_SEEDS", "100"))
DEPTHS = ["0", "0.1", "-0.1", "0.3", "-0.25", "0.45", "0.4503", "-0.002"]
D = Decimal
READS = ("positions", "equity", "prices", "find_order")
WORSE = [
    (0.005, ("place_order", *READS), Fault(refused=AuthError("key revoked"))),
    (0.01, ("positions", "set_leverage"), Fault(refused=RateLimited("slow down", retry_after=7))),
    (0.01, ("place_order", "set_leverage", *READS), Fault(silence=30)),
    (0.005, ("place_order", *READS), Fault(lost=KeyError("a defect"))),  # type: ignore[arg-type]
]


class Weather:
    """The faults of ``test_simulation.py``, and what goes beyond an exchange that is busy or cannot be reached."""

    def __init__(self, chance: random.Random, market: Market) -> None:
        self.chance, self.market = chance, market
        self.storm = storm(chance, chance.choice([0, 0.3, 1]))
        self.down: frozenset[str] = frozenset()
        self.calm = False

    def clear(self) -> None:
        """From now on nothing fails, and there is margin and a price for everything."""
        self.calm = self.market.kind = True
        self.market.unpriced.clear()
        self.market.unlisted.clear()

    def __call__(self, method: str, call: int) -> Fault | None:
        if self.calm:
            return None
        if method in self.down:
            return Fault(refused=NotReady("cannot be reached"))
        draw = self.chance.random()
        for rate, methods, fault in WORSE:
            if method in methods and draw < rate:
                return fault
            draw -= rate
        found = self.storm(method, call)
        # Of an order that the exchange only acknowledges, nobody else may say that it ended.
        part = found is not None and found.share is not None
        return None if part and (self.market.habits.acknowledges or self.market.unlisted) else found


class Wire(FaultyAccount):
    """Has every order checked in the moment in which it is handed in, and notes when positions are read."""

    desk: Sea
    read_at: list[float]

    async def positions(self) -> Known[Mapping[str, Position]]:
        self.read_at.append(self.desk.clock.monotonic())
        return await super().positions()

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.desk.check(order)
        return await super().place_order(order)


class Sea(Desk):
    """A desk that is tossed about. It stands up again after ``AuthError``, as after an edit of its settings."""

    def __init__(self, path: Path, market: Market, wire: Wire, clock: VirtualClock) -> None:
        self.market, self.wire, self.chance = market, wire, market.chance
        self.keys: dict[str, Any] = {}
        self.wishes: dict[str, tuple[str, int] | None] = {}
        self.said_at: dict[str, str] = {}
        self.admitted: list[float] = []
        wire.desk, wire.read_at = self, []
        super().__init__(path, wire, clock)

    def start(self) -> None:
        self.ledger = ExposureLedger(self.clock.monotonic)
        self.capabilities = self.market.habits.capabilities
        self.admitted.clear()
        super().start()
        self.market.notify = self.worker.wake
        append = self.journal.append

        def noting(*entries: Any, **how: Any) -> Any:
            for entry in entries:
                if isinstance(entry, Confirmation):
                    self.check_confirmation(entry)
            return append(*entries, **how)

        self.journal.append = noting  # type: ignore[method-assign]
        self.tell()

    async def go(self, seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        while (left := until - self.clock.monotonic()) > 0:
            if (await asyncio.wait([self.task], timeout=left))[0]:
                assert isinstance(self.task.exception(), AuthError | KeyError), self.task.exception()
                await asyncio.sleep(5)
                self.task = asyncio.create_task(self.worker.run(self.account, self.capabilities))

    def tell(self) -> None:
        self.worker.retarget({symbol: self.blend(symbol) for symbol in self.wishes})

    def blend(self, symbol: str) -> Blend | None:
        how = self.wishes[symbol]
        return None if how is None else wish(symbol, *how, price=self.said_at[symbol])

    # -- what happens

    def signal(self) -> None:
        symbol = self.chance.choice(list(PRICES))
        withdrawn = self.chance.random() < 0.1
        how = None if withdrawn else (self.chance.choice(DEPTHS), self.chance.choice([1, 1, 2, 3, 5]))
        self.wishes[symbol], self.said_at[symbol] = how, str(self.market.price[symbol])
        self.worker.retarget({symbol: self.blend(symbol)})

    def edit(self) -> None:
        """The operator changes a setting."""
        choices: dict[str, list[Any]] = {
            "enabled": [True, True, False],
            "drift": ["heal", "alert"],
            "adopt": [False, True],
            "equity": ["wallet", "total"],
            "below_minimum": ["skip", "raise"],
            "margin_mode": ["isolated", "cross"],
            "leverage": [None, 2, 4],
            "rebalance": ["on_change", "band"],
            "concurrency": [1, 2, 10],
            "limits": [
                LimitSettings(),
                LimitSettings(leverage=2, price_distance=D("0.02")),
                LimitSettings(order_notional=D(3000), orders_per_minute=20),
                LimitSettings(symbol_exposure=D(4000), account_exposure=D(7000), orders_per_minute=8),
            ],
        }
        key = self.chance.choice(list(choices))
        self.keys[key] = self.chance.choice(choices[key])
        self.configure(**self.keys)

    async def die(self) -> None:
        if self.chance.random() < 0.5:
            await self.worker.drain(timedelta(seconds=1))
        await self.crash()
        await asyncio.sleep(self.chance.choice([0, 3, 60]))
        self.start()

    async def happen(self) -> None:
        """One more thing happens."""
        draw = self.chance.random()
        if draw < 0.45:
            self.signal()
        elif draw < 0.6:
            self.edit()
        elif draw < 0.7:
            self.market.trade_by_hand()
        elif draw < 0.75:
            await self.die()
        elif draw < 0.8:
            self.market.change_instrument()
        elif draw < 0.84:
            self.market.unpriced ^= {self.chance.choice(list(PRICES))}
        elif draw < 0.88:
            self.market.unlisted ^= {self.chance.choice(list(PRICES))}
        elif draw < 0.93:
            self.market.wallet *= D(self.chance.choice(["0.8", "1.2"]))
        elif draw < 0.97:
            self.worker.wake()
        else:
            with contextlib.suppress(AuthError, KeyError):
                await self.worker.preview()
        self.market.move()

    # -- what must hold

    def check(self, order: OrderRequest) -> None:
        state, settings, limits = self.worker.keepers[order.symbol], self.settings, self.settings.limits
        assert state.goal is not None
        self.market.take(order, state.goal.quantity)
        found, now = self.market.violations, self.clock.monotonic()
        self.admitted = [at for at in self.admitted if at > now - 60] + [now]
        if order.reduce_only:
            return
        if not settings.enabled:
            found.append(f"{order} increases on a disabled account")
        if limits.leverage is not None and order.leverage > limits.leverage:
            found.append(f"{order} is above {limits}")
        largest = limits.order_notional
        if largest is not None and order.quantity * order.reference_price > largest:
            found.append(f"{order} is above {limits}")
        held = self.market.quantity(order.symbol) * order.side.sign
        after = max(held, D(0)) + order.quantity  # what a flip closes may not be filled yet
        most = None if self.market.touched(order.symbol) else limits.symbol_exposure
        if most is not None and after * order.reference_price > most:
            found.append(f"{order} leads to {after}, above {limits}")
        if limits.orders_per_minute is not None and len(self.admitted) > limits.orders_per_minute:
            found.append(f"{order} is one too many a minute: {len(self.admitted)}")

    def check_confirmation(self, confirmation: Confirmation) -> None:
        state = self.worker.keepers[confirmation.symbol]
        if not self.market.touched(confirmation.symbol) and not self.arrived(state):
            self.market.violations.append(
                f"{confirmation} of {state.goal} at {self.market.quantity(state.symbol)}"
            )

    def arrived(self, state: Keeper) -> bool:
        """Whether the true position is the goal, or nearer than the exchange's smallest order."""
        assert state.goal is not None
        held, want = self.market.quantity(state.symbol), state.goal.quantity
        listed = self.market.listed[state.symbol]
        if at_target(held, want, max(listed.quantity_step, state.goal.quantity_step)):
            return True
        return want != 0 and abs(held - want) < self.market.smallest[state.symbol] * D("1.5")

    def wanted(self, symbol: str) -> tuple[Decimal, int | None]:
        """Depth and leverage that wishes and settings ask for; leverage None where it does not matter."""
        how = self.wishes[symbol]
        if how is None or not self.settings.enabled or D(how[0]) == 0:
            return D(0), None
        caps = [
            self.settings.policy.leverage or how[1],
            self.settings.limits.leverage,
        ]
        return D(how[0]), min(cap for cap in caps if cap is not None)

    def too_far(self, symbol: str) -> bool:
        """Whether the price has left the signal's, so that increases have to wait."""
        limit, said = self.settings.limits.price_distance, D(self.said_at[symbol])
        return limit is not None and abs(self.market.price[symbol] - said) / said > limit

    def left_alone(self, state: Keeper) -> bool:
        """Whether the owner changed it after the engine was done with it: a disabled account rests then."""
        if self.settings.enabled or state.confirmation is None:
            return False
        done = (state.confirmation.at - START).total_seconds()
        return self.market.by_hand.get(state.symbol, 0.0) > done

    def amiss(self) -> list[str]:
        """What is not as wishes and settings ask for, once there was time enough."""
        found = []
        for symbol in self.wishes:
            state, (depth, leverage) = self.worker.keepers[symbol], self.wanted(symbol)
            target, goal, position = state.target, state.goal, self.market.held.get(symbol)
            if target is None:
                found += [f"{symbol} {state.status} {state.reason!r}: no target"] * (depth != 0)
                continue
            where = f"{symbol} {state.status} {state.reason!r}: wants {depth} x{leverage}, has {position}, "
            where += f"goal {goal and goal.quantity} of {target.depth} x{target.leverage} {target.reason}"
            if abs(target.depth - depth) > D("0.001") or leverage not in (None, target.leverage):
                found.append(f"{where}: another target")
            if state.status in ("blocked", "drift") or self.left_alone(state):
                continue
            if self.too_far(symbol):
                continue
            if goal is None or not state.confirmed or not self.arrived(state):
                found.append(f"{where}: not reached")
            elif position is not None and position.quantity and position.leverage != goal.leverage:
                found.append(f"{where}: wants x{goal.leverage}")
            elif position is not None and position.quantity and position.margin_mode != goal.margin_mode:
                found.append(f"{where}: wants {goal.margin_mode}")
        return found


def busiest_minute(times: Sequence[float]) -> int:
    return max(bisect_left(times, at + 60) - place for place, at in enumerate(times))


async def simulate(folder: Path, seed: int) -> None:
    chance, clock = random.Random(seed), VirtualClock()
    market = Market(clock, chance, Habits.drawn(chance))
    weather = Weather(chance, market)
    wire = Wire(market, faults=weather)
    desk = Sea(folder, market, wire, clock)
    for _ in range(25):
        weather.down = outage(chance)
        await desk.happen()
        await desk.go(chance.choice([0, 0.3, 2, 9, 40] * 8 + [4000]))
    weather.clear()
    await desk.go(500)
    assert not (amiss := desk.amiss()), f"seed {seed}: {amiss}"
    assert busiest_minute(wire.read_at) < 90, f"seed {seed}: asked without pause"
    sent, held = len(wire.sent), dict(market.held)
    keeps_sizes = (
        desk.settings.policy.rebalance == "on_change" and desk.settings.limits.price_distance is None
    )
    for _ in range(5):
        await desk.go(120)
        if keeps_sizes:
            market.move()
    assert len(wire.sent) == sent, f"seed {seed}: orders were sent at target"
    assert held == market.held
    assert not (left := desk.journal.memory().open_intents), f"seed {seed}: {left}"
    assert not market.violations, f"seed {seed}: {market.violations}"
    await desk.crash()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_account_reaches_its_targets_while_the_world_moves(seed: int, tmp_path: Path) -> None:
    logger.disable("te_core")
    try:
        virtual_clock.run(simulate(tmp_path, seed))
    finally:
        logger.enable("te_core")
