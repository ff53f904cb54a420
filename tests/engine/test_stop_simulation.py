"""Stops in a storm: prices move, responses are lost, somebody trades by hand, the engine is killed.

Whatever happens, only a signal reopens what a stop closed; once faults have ended, each position has exactly the stops
that it should have, and a flat one has none.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.api import AccountStream, Feed, NotReady, OrderRejected, OutcomeUnknown, Position, RateLimited
from te_core.model.control import Action, Command
from te_core.rules.controls import controls_of
from te_core.settings.schema import EngineSettings
from te_core.testing.faults import Fault, no_faults, seeded
from te_core.testing.virtual_clock import VirtualClock
from te_core.testing.worker_harness import WorkerHarness
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.plugin import CAPABILITIES
from te_exchange_paper.testing import PaperHarness
from tests.engine.seeds import blocks, run_block

ZERO = Decimal(0)
FEEDS = (Feed.POSITIONS, Feed.ORDERS, Feed.PRICES)
WINDOW = 3.0
PRICES = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(2_000)}
STOPS: list[dict[str, Any]] = [
    {"stop": {"loss": "3%"}},
    {"stop": {"loss": "3%", "profit": "5%"}},
    {"stop": {"loss": "4%", "profit": "5%"}, "drift": "heal"},
    {"stop": {"trailing": "2%", "profit": "6%"}},
    {"stop": {"loss": "4%", "trailing": "2%", "activation": "2%", "break_even": "1%"}},
    {"stop": {"loss": "2%"}, "stops": "engine"},
    {"stop": {"loss": "2%"}, "stops": "off"},
    {},
]
LOST, BUSY = OutcomeUnknown("no answer in time"), NotReady("502")
FAULTS = {
    "place_order": [(0.05, Fault(lost=LOST)), (0.05, Fault(refused=BUSY)), (0.05, Fault(delay=1.5))],
    "place_stop": [
        (0.08, Fault(lost=LOST)),
        (0.04, Fault(late=1.0, lost=LOST)),
        (0.05, Fault(refused=BUSY)),
        (0.05, Fault(refused=OrderRejected("no stops today"))),
        (0.05, Fault(refused=RateLimited("429", retry_after=2))),
        (0.05, Fault(delay=1.5)),
    ],
    "cancel_stop": [(0.1, Fault(lost=LOST)), (0.05, Fault(refused=BUSY)), (0.05, Fault(delay=1.5))],
    "find_stop": [(0.1, Fault(refused=BUSY)), (0.05, Fault(delay=1.5))],
    "stops": [(0.1, Fault(refused=BUSY)), (0.05, Fault(delay=1.5))],
    "positions": [(0.05, Fault(refused=BUSY))],
    "prices": [(0.05, Fault(refused=BUSY))],
}
KINDS = frozenset({"signal", "price", "hand", "edit", "halt", "flatten", "resume", "lapse", "kill", "filled"})
CALM = 300.0
"""Seconds after which every back-off has ended."""


class Sea:
    """One account, its signals, and what happens around it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = VirtualClock()
        self.followed = self.chance.random() < 0.5
        kind = Pushing if self.followed else None
        self.exchange = Followed(kind, folder / "venue", self.clock)
        capabilities = replace(
            CAPABILITIES, visibility_window=timedelta(seconds=WINDOW), private_stream=self.followed
        )
        engine = EngineSettings(
            resync=timedelta(seconds=10),
            backoff_first=timedelta(seconds=1),
            backoff_last=timedelta(seconds=30),
        )
        self.harness = WorkerHarness(folder, self.exchange, capabilities, timeout=600, engine=engine)
        self.said: dict[str, list[datetime]] = {symbol: [] for symbol in PRICES}
        self.blends: dict[str, Any] = {}
        self.counts: Counter[str] = Counter()
        self.faulty = True

    def arm(self) -> None:
        """Apply the current faults to the current connection."""
        if self.faulty:
            own = self.exchange.fault_for
            drawn = seeded(self.chance.random, FAULTS)
            self.harness.account.faults = lambda method, call: own(method, call) or drawn(method, call)
        else:
            self.harness.account.faults = no_faults

    # -- what happens

    def signal(self) -> None:
        symbol = self.chance.choice(list(PRICES))
        depth = Decimal(self.chance.choice(["0.2", "0.2", "0.1", "-0.2", "0"]))
        self.counts["signal"] += 1
        self.said[symbol].append(self.clock.now())
        self.harness.state_target(symbol, depth, self.chance.choice([1, 2]))
        self.blends[symbol] = self.harness.worker.keepers[symbol].blend

    async def price(self) -> None:
        symbol = self.chance.choice(list(PRICES))
        factor = Decimal(
            self.chance.choice(["0.95", "0.97", "0.99", "0.995", "1.005", "1.01", "1.03", "1.05"])
        )
        self.counts["price"] += 1
        await self.exchange.move(symbol, (self.exchange.market[symbol] * factor).quantize(Decimal("0.01")))

    async def hand(self) -> None:
        symbol = self.chance.choice(list(PRICES))
        held = await self.exchange.position(symbol)
        if held:
            part = held * Decimal(self.chance.choice(["-1", "-0.5", "0.5"]))
            part = self.exchange.rounded(symbol, part)
            if part:
                self.counts["hand"] += 1
                await self.exchange.trade(symbol, part)

    def edit(self) -> None:
        self.counts["edit"] += 1
        self.harness.configure(**self.chance.choice(STOPS))

    def command(self) -> None:
        action = self.chance.choice([Action.HALT, Action.FLATTEN, Action.RESUME, Action.RESUME])
        self.counts[str(action)] += 1
        symbol = self.chance.choice(["", *PRICES])
        if action is Action.RESUME:  # which reopens, like a signal
            for one in [symbol] if symbol else PRICES:
                self.said[one].append(self.clock.now())
        wanted = Command(action=action, by="alice", accounts=("venue",), symbol=symbol)
        rows = controls_of(wanted, self.clock.now(), {"venue": self.harness.worker.scopes})
        self.harness.controls = self.harness.controls.adding(rows)
        self.harness.journal.append(*rows, awaited=False, reduction=True)
        self.harness.worker.command(self.harness.controls)

    async def kill(self) -> None:
        self.counts["kill"] += 1
        if self.chance.random() < 0.3:
            await self.harness.worker.drain(timedelta(seconds=1))
        await self.harness.crash()
        for _ in range(self.chance.choice([0, 1, 3])):
            await self.price()
        await asyncio.sleep(self.chance.choice([0, 3, 60]))
        self.harness.start()
        self.harness.worker.retarget(dict(self.blends))
        await asyncio.sleep(0.001)  # virtual: until the account is open
        self.arm()

    async def lapse(self) -> None:
        self.counts["lapse"] += 1
        await self.exchange.lapse()

    async def happen(self) -> None:
        draws: list[tuple[float, Callable[[], Any]]] = [
            (0.30, self.signal), (0.35, self.price), (0.08, self.hand), (0.07, self.edit),
            (0.06, self.command), (0.05, self.lapse), (0.09, self.kill),
        ]  # fmt: skip
        draw = self.chance.random()
        for share, what in draws:
            if draw < share:
                done = what()
                if done is not None:
                    await done
                return
            draw -= share

    # -- what must hold

    def reopened(self) -> list[str]:
        """Openings after a filled stop, unless a signal came since or was being acted on at that time."""
        kinds = {r.intent.client_order_id: r.intent for r in self.harness.journal.intents(10_000)}
        found, stopped = [], dict[str, datetime]()
        for order in self.exchange.orders():
            intent = kinds[order.client_order_id]
            if intent.stop is not None:
                stopped[order.symbol] = order.at
                self.counts["filled"] += 1
                continue
            at = stopped.get(order.symbol)
            if order.reduce_only or at is None:
                continue
            spoke = [s for s in self.said[order.symbol] if at - timedelta(seconds=60) <= s <= order.at]
            if not spoke:
                found.append(
                    f"{order.symbol}: opened at {order.at:%H:%M:%S}, a stop was filled at {at:%H:%M:%S}"
                )
            if spoke and max(spoke) > at:
                del stopped[order.symbol]
        return found

    async def amiss(self) -> list[str]:
        """Stops that rest but should not, or should rest but do not."""
        found = []
        resting = await self.exchange.resting_stops()
        for symbol in PRICES:
            keeper = self.harness.worker.keepers.get(symbol)
            held = await self.exchange.position(symbol)
            here = [stop for stop in resting if stop.symbol == symbol]
            policy = self.harness.settings.stops
            exits = policy.of(symbol, None)
            wanted = 0
            if keeper is not None and held and keeper.ours and exits is not None and policy.at == "exchange":
                wanted = bool(exits.stop_loss or exits.trailing_stop) + bool(exits.take_profit)
            if keeper is not None and held and not keeper.wanted:
                continue  # an owner's position, or one that drift = "alert" leaves
            sizes = {stop.quantity for stop in here}
            if len(here) != wanted or (here and sizes != {abs(held)}):
                found.append(
                    f"{symbol}: held {held}, wants {wanted} stops, there are {here}; {keeper and keeper.reason}"
                )
        return found


class Pushing(PaperAccount):
    """A paper account with a stream."""

    async def watch(self, stream: AccountStream) -> None:
        stream.up(*FEEDS)
        shown: dict[str, Position] = {}
        orders, prices = len(self.books.store.orders()), dict[str, Decimal]()
        while True:
            stream.alive(*FEEDS)
            for symbol, price in (await PaperAccount.prices(self, list(PRICES))).value.items():
                if prices.get(symbol) != price:
                    stream.price(symbol, price)
                prices[symbol] = price
            for symbol, position in (await PaperAccount.positions(self)).value.items():
                if shown.get(symbol) != position:
                    stream.position(position)
                shown[symbol] = position
            for order in self.books.store.orders()[orders:]:
                stream.order(order.client_order_id, order.symbol)
                orders += 1
            await asyncio.sleep(0.7)


class Followed(PaperHarness):
    """A paper exchange, optionally with pushes."""

    def __init__(self, kind: type[Any] | None, folder: Path, clock: VirtualClock) -> None:
        self.kind = kind
        super().__init__(folder, clock=clock, log=logger, market=PRICES, balance=100_000, fee="0.0006")

    def make_paper(self, context: Any) -> Any:
        return super().make_paper(context) if self.kind is None else self.kind(context)

    def rounded(self, symbol: str, quantity: Decimal) -> Decimal:
        """Cut a quantity to the symbol's step."""
        found = self._paper.books.instruments.find(symbol)
        assert found is not None
        return found.round_quantity(quantity)

    async def lapse(self) -> None:
        """Somebody cancels every stop."""
        for stop in self._paper.books.resting_stops():
            await self._paper.cancel_stop(stop.symbol, stop.client_order_id)


async def simulate(folder: Path, seed: int) -> Counter[str]:
    """Run one seed; return how often each thing happened."""
    sea = Sea(folder, seed)
    async with sea.harness as harness:
        sea.arm()
        harness.configure(**sea.chance.choice(STOPS[:5]))
        for _ in range(40):
            await sea.happen()
            await asyncio.sleep(sea.chance.choice([0, 0.3, 2, 9, 40] * 4 + [300]))
        sea.faulty = False
        sea.arm()
        await asyncio.sleep(CALM)
        assert not (found := sea.reopened()), found
        assert not (found := await sea.amiss()), found
        sent = len(harness.account.sent), len(harness.account.stops_sent)
        await asyncio.sleep(100)
        assert (len(harness.account.sent), len(harness.account.stops_sent)) == sent, (
            "at rest, and still sending"
        )
        ids = [stop.client_order_id for stop in harness.account.stops_sent]
        assert len(ids) == len(set(ids))
    return sea.counts


@pytest.mark.parametrize("seeds", blocks(40, 20), ids=str)
def test_stops_hold_while_the_world_moves(seeds: range, tmp_path: Path) -> None:
    run_block(simulate, tmp_path, seeds, KINDS)
