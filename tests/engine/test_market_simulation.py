"""Seeded storms in which the world moves too: money, prices, settings, instruments, streams, owners who trade by hand.

What ``test_simulation.py`` cannot express: there only signals and faults come. Here the goal is not known beforehand,
so what counts is that the engine's own goal is the one that its settings ask for, that the account gets there, and that
``judge.py`` finds nothing wrong on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

from te_core.accounts.bookkeeping import Counted
from te_core.accounts.exposure import ExposureLedger, count_journaled
from te_core.api import Known, MarginMode, NotReady, OrderReport, OrderRequest, Position, RateLimited
from te_core.errors import TradeEngineError
from te_core.model.control import Action, Command, Control, ControlState
from te_core.model.target import Blend, Goal
from te_core.rules.breakers import Trip
from te_core.rules.controls import controls_of, lifted_by
from te_core.runtime.breakers import CircuitBreakers
from te_core.runtime.guarded_account import GuardedAccount
from te_core.settings.schema import LimitSettings, Settings
from te_core.testing.faults import Fault
from te_core.testing.virtual_clock import VirtualClock
from tests.engine import market, odd, showing
from tests.engine.commanding import Commanding
from tests.engine.judge import JUST_NOW, Judge, busiest_minute
from tests.engine.market import PRICES, Habits, Market
from tests.engine.odd import OddAccount
from tests.engine.seeds import blocks, run_block
from tests.engine.test_simulation import outage, storm
from tests.engine.worker_harness import WorkerHarness, blend_for

DEPTHS = ["0", "0.1", "-0.1", "0.3", "-0.25", "0.45", "0.4503", "-0.002"]
D = Decimal
READS = ("positions", "equity", "prices", "find_order")
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
        "halt",
        "flatten",
        "resume",
        "flatten foreign",
        "by hand",
        "observe",
        "go",
        "wall clock steps",
        "price is missing",
        "symbol is not listed",
        "only orders are pushed",
        "breaker halts",
        "breaker flattens",
        "breaker is lifted",
    )
)
ARMED: list[dict[str, Any]] = [
    {},
    {"daily_loss": {"percent": 2}},
    {"drawdown": {"percent": 3, "action": "flatten"}, "slippage": {"percent": 2}},
    {"symbol_loss": {"amount": 80}, "losing_trades": {"count": 1, "action": "flatten"}},
    {"rejections": {"count": 2, "action": "flatten"}, "equity_jump": {"percent": 10}},
]
"""Breakers that an operator arms; they trip seldom enough that the rest of the world goes on."""
WORSE = [
    (0.01, ("positions", "set_leverage"), Fault(refused=RateLimited("slow down", retry_after=7))),
    (0.01, ("place_order", "set_leverage", *READS), Fault(answer_delay=30)),
    (0.005, ("place_order", *READS), Fault(lost=KeyError("a defect"))),  # type: ignore[arg-type]
]


class Weather:
    """The faults of ``test_simulation.py``, and what goes beyond an exchange that is busy or cannot be reached."""

    def __init__(self, chance: random.Random, market: Market) -> None:
        self.chance, self.market = chance, market
        self.storm = storm(chance, chance.choice([0, 0.3, 1]))
        self.down: frozenset[str] = frozenset()
        self.slow = 0.0
        self.calm = False

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
        if part and (self.market.habits.acknowledges or self.market.unlisted):
            return None
        late = found is not None and (found.lag or found.late)
        if late and self.market.showing.read_lag:  # together they would be later than what is promised
            return None
        return found or (Fault(answer_delay=self.slow) if self.slow and method == "place_order" else None)


class Connection(OddAccount):
    """Has every order checked in the moment in which it is handed in, and notes when positions are read."""

    harness: Sea
    read_at: list[float]

    async def positions(self) -> Known[Mapping[str, Position]]:
        self.read_at.append(self.harness.clock.monotonic())
        return await super().positions()

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self._sends(order)
        self.harness.judge.on_order(order)
        return await super().place_order(order)

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        self._sends("a leverage")
        await super().set_leverage(symbol, leverage, margin_mode)

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        self._sends("a margin mode")
        await super().set_margin_mode(symbol, margin_mode)

    def _sends(self, what: object) -> None:
        if self.harness.keys.get("observe"):
            self.harness.judge.found(what, "was sent while observing")


class Sea(WorkerHarness):
    """A desk that is tossed about. It stands up again after any failure, as under its supervisor."""

    def __init__(
        self, path: Path, market: Market, connection: Connection, weather: Weather, clock: VirtualClock
    ) -> None:
        self.market, self.connection, self.weather, self.chance = market, connection, weather, market.chance
        self.kinds, self.counts = market.kinds, market.counts
        self.keys: dict[str, Any] = {}
        self.blends: dict[str, tuple[str, int] | None] = {}
        self.stepped_at = float("-inf")
        self.said_at: dict[str, str] = {}
        self.commanding = Commanding()
        self.by_hand: dict[str, Decimal] = {}
        self.swept_at: dict[str, float] = {}
        """When a flatten of everything that is held was commanded last, by symbol; nothing else was since."""
        self.judge = Judge(market, lambda: self.settings, lambda symbol: D(self.said_at[symbol]))
        self.judge.halted = self.halted
        self.armed: dict[str, Any] = self.chance.choice(ARMED)
        self.held_by_breakers: dict[str, Trip] = {}
        """What tripped and was not lifted, as this operator saw it."""
        connection.harness, connection.read_at = self, []
        super().__init__(path, GuardedAccount(connection), clock)

    def start(self) -> None:
        self.ledger = ExposureLedger(self.clock.monotonic)
        self.capabilities = self.market.habits.capabilities
        super().start()
        count_journaled(self.ledger, self.journal, self.journal.snapshot().books, self.clock)
        append = self.journal.append

        def noting(*entries: Any, **how: Any) -> Any:
            for entry in entries:
                self.judge.on_entry(entry)
            return append(*entries, **how)

        self.journal.append = noting  # type: ignore[method-assign]
        self.arm()
        self.stream = asyncio.create_task(self._follow()) if self.market.habits.streams else None
        self.tell()

    def counted(self) -> Counted | None:
        self.breakers = CircuitBreakers(
            self.journal,
            self.journal.snapshot(),
            clock=self.clock,
            log=self.log,
            notify=self.events.append,
            enforce=self.trip,
        )
        return self.breakers.counted("a", "a")

    def arm(self) -> None:
        account = {"plugin": "fake", "breakers": self.armed}
        self.breakers.configure(Settings.model_validate({"accounts": {"a": account}}))

    def trip(self, account: str | None, trip: Trip) -> tuple[Control, ...]:
        """Halt or flatten by a breaker, as the engine's commands do."""
        assert account == "a"
        action = "flatten" if trip.action == "flatten" else "halt"
        self.counts[f"breaker {action}s"] += 1
        self.held_by_breakers[trip.key] = trip
        if action == "halt" and self.commanding.held({"a"}, trip.symbol, ()):
            return ()
        return self._command(action, trip.symbol)

    def check_breakers(self) -> None:
        """What tripped holds, whatever happened since, until it is resumed."""
        now = {one.trip.key for one in self.breakers.shown() if one.trip is not None}
        if lost := self.held_by_breakers.keys() - now:
            self.judge.found("tripped, and forgotten:", *lost)
        for trip in self.held_by_breakers.values():
            if not self.commanding.held({"a"}, trip.symbol, ()) and not self.let_out(trip):
                self.judge.found(trip, "tripped, and holds nothing back")

    def let_out(self, trip: Trip) -> bool:
        """Whether the operator resumed a symbol out of what tripped."""
        found = self.commanding.newest({"a"}, trip.symbol)
        return found is not None and found.action == "resume"

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TradeEngineError):
                await self.account.watch(self.worker.stream)
            await asyncio.sleep(5)

    async def crash(self) -> None:
        if self.stream is not None:
            self.stream.cancel()
            await asyncio.gather(self.stream, return_exceptions=True)
        await super().crash()

    async def go(self, seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        while (left := until - self.clock.monotonic()) > 0:
            if (await asyncio.wait([self.task], timeout=left))[0]:
                assert self.task.cancelled() or self.task.exception() is not None, "it ended by itself"
                await asyncio.sleep(5)
                self.task = asyncio.create_task(self.worker.run(self.account, self.capabilities))

    def tell(self) -> None:
        self.worker.retarget({symbol: self.blend(symbol) for symbol in self.blends})

    def blend(self, symbol: str) -> Blend | None:
        how = self.blends[symbol]
        return None if how is None else blend_for(symbol, *how, price=self.said_at[symbol])

    # -- what happens

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
        """The operator arms other breakers; what tripped stays tripped."""
        if self.task.done() or not self.kinds & {"breaker halts", "breaker flattens"}:
            return
        if self.held_by_breakers and "breaker is lifted" in self.kinds and self.chance.random() < 0.7:
            self._resume("")
            return
        self.armed = self.chance.choice(ARMED)
        self.arm()

    def operate(self) -> None:
        """The operator commands something, now or in the middle of what a signal starts."""
        if self.chance.random() < 0.5:
            self.command()
        else:
            self.signal()
            asyncio.get_running_loop().call_later(self.chance.uniform(0.01, 1), self.command)

    def command(self) -> None:
        """The operator halts, flattens or resumes the account, or a symbol of it."""
        if self.task.done():  # the engine is down
            return
        action = self.chance.choice(
            ["halt", "flatten", "flatten foreign", "by hand", *["resume"] * 3 * any(self.controls.active())]
        )
        symbol = self.chance.choice(["", *PRICES]) if action != "resume" or self.chance.random() < 0.5 else ""
        if action not in self.kinds or (action == "by hand" and not symbol):
            return
        self.counts[action] += 1
        if action == "resume":
            self._resume(symbol)
        else:
            self.journal.append(*self._command(action, symbol), awaited=False)

    def _resume(self, symbol: str) -> None:
        wanted = Command(action=Action.RESUME, by="alice", accounts=("a",), symbol=symbol, reason="seen")
        lifted = self.breakers.lifted(wanted)
        records = self.breakers.rearmed(lifted, symbol)
        self.journal.append(*self._command("resume", symbol), *records, awaited=False)
        self.breakers.rearm(lifted, symbol)
        before = self.held_by_breakers
        self.held_by_breakers = {k: trip for k, trip in before.items() if symbol and trip.symbol != symbol}
        self.counts["breaker is lifted"] += len(self.held_by_breakers) < len(before)

    def _command(self, action: str, symbol: str) -> tuple[Control, ...]:
        depth = D(self.chance.choice(DEPTHS)) if action == "by hand" else None
        if depth is not None:
            self.by_hand[symbol] = depth
        else:
            for name in [symbol] if symbol else PRICES:
                self.swept_at.pop(name, None)
                if action == "flatten foreign":
                    self.swept_at[name] = self.clock.monotonic()
            self.commanding.note(action.partition(" ")[0], frozenset({"a"}), symbol)
        if action == "resume":
            self.by_hand = {name: one for name, one in self.by_hand.items() if symbol not in ("", name)}
        wanted = Command(
            action=Action.TARGET if depth is not None else Action(action.partition(" ")[0]),
            by="alice",
            accounts=("a",),
            symbol=symbol,
            foreign=action == "flatten foreign",
            depth=depth,
        )
        scopes, now = {"a": self.worker.scopes}, self.clock.now()
        rows = controls_of(wanted, now, scopes)
        if action == "resume":
            lifted = lifted_by(wanted, self.controls, scopes)
            ended = [replace(row, state=ControlState.OVER, at=now) for row in lifted if row.depth is not None]
            rows = (*rows, *ended)
        self.controls = self.controls.adding(rows)
        self.worker.command(self.controls)
        return rows

    def observe(self) -> None:
        """The operator has the account observe, or lets it trade again."""
        self.keys["observe"] = not self.keys.get("observe", False)
        self.counts["observe" if self.keys["observe"] else "go"] += 1
        self.configure(**self.keys)

    def halted(self, symbol: str) -> bool:
        """Whether a symbol may only be reduced."""
        return self.commanding.held({"a"}, symbol, ())

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
        """The wall clock is put right, or wrong."""
        self.counts["wall clock steps"] += 1
        self.stepped_at = self.clock.monotonic()
        self.clock.shift += timedelta(seconds=self.chance.choice([-3 * 3600, -60, 60, 3 * 3600]))

    def miss(self) -> None:
        """A symbol has no price, or is not listed, for a while."""
        kind, symbols = self.chance.choice(
            [("price is missing", self.market.unpriced), ("symbol is not listed", self.market.unlisted)]
        )
        symbols ^= {self.chance.choice(list(PRICES))}
        self.counts[kind] += bool(symbols)

    def stir(self) -> None:
        """The exchange shows things in another way, prices run away under plans, orders take their time."""
        self.market.showing.draw(tuple(PRICES), self.kinds)
        self.market.restless = "prices move through a plan" in self.kinds and self.chance.random() < 0.3
        self.weather.slow = self.chance.choice([0, 0, 3]) if self.market.restless else 0

    async def happen(self) -> None:
        """One more thing happens."""
        happenings: list[tuple[float, Callable[[], None]]] = [
            (0.32, self.signal),
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

    # -- what must hold

    def wanted(self, symbol: str) -> tuple[Decimal, int | None]:
        """Depth and leverage that wishes and settings ask for; leverage None where it does not matter."""
        how = self.blends.get(symbol)
        if symbol in self.by_hand:
            how = (str(self.by_hand[symbol]), how[1] if how is not None else 1)
        if self.commanding.flat({"a"}, symbol) or how is None or not self.settings.enabled or D(how[0]) == 0:
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

    def excused(self, symbol: str) -> bool:
        """Whether limits, the drift policy or a position of the owner's may keep a symbol from its goal."""
        kept, held = self.judge.kept[symbol], self.market.quantity(symbol)
        by_hand = self.market.by_hand.get(symbol, -1e9)
        policy, limits, goal = self.settings.policy, self.settings.limits, kept.goal
        if by_hand > kept.confirmed_at and not self.settings.enabled:
            return True  # a disabled account rests when it is done
        if by_hand > -1e9 and goal is None and not policy.adopt:
            return True
        if "corrected too often" in self.shown(symbol)[1] and self.market.hands[symbol] >= 3:
            return True
        if goal is None:
            return False
        crumb = abs(held) < self.market.listed[symbol].quantity_step
        less = abs(held) < abs(goal.quantity) and (held * goal.quantity >= 0 or crumb)
        if less and (limits.by_notional or self.too_far(symbol) or self.halted(symbol)):
            return True
        position = self.market.held.get(symbol)
        if position is not None and held and position.margin_mode != goal.margin_mode:
            return True  # it changes when the symbol is next flat
        if by_hand > kept.confirmed_at - JUST_NOW and kept.confirmed is not None:
            return policy.drift == "alert" or (
                less
                and (
                    policy.drift == "reduce"
                    or symbol in self.market.liquidated
                    or self.market.lost_since(by_hand) > 1  # what else was lost cannot be told from it
                    or abs(held) >= self._affordable(symbol)
                )
            )
        return False

    def _affordable(self, symbol: str) -> Decimal:
        """Return the size that a symbol's wish would have now: drift is never restored beyond it."""
        depth, leverage = self.wanted(symbol)
        equity = self.market.wallet
        if self.settings.policy.equity != "wallet":
            equity += self.market.unrealised
        size = abs(depth) * (leverage or 1) * equity / self.market.price[symbol]
        return size - self.market.listed[symbol].quantity_step

    def not_swept(self) -> list[str]:
        """What is open though everything that is held was flattened, the owner's own positions included."""
        found = []
        for symbol, at in self.swept_at.items():
            held = self.market.quantity(symbol)
            left_alone = self.market.by_hand.get(symbol, -1e9) > at - JUST_NOW or not self.settings.enabled
            if not left_alone and abs(held) >= self.market.coarsest[symbol]:
                found.append(f"{symbol} is {held} after everything was flattened: {self.shown(symbol)}")
        return found

    def amiss(self) -> list[str]:
        """What is not as wishes and settings ask for, once there was time enough."""
        found = self.not_swept()
        for symbol in self.blends:
            kept, (depth, leverage) = self.judge.kept[symbol], self.wanted(symbol)
            status, reason = self.shown(symbol)
            target, goal, position = kept.target, kept.goal, self.market.held.get(symbol)
            if target is None:
                found += [f"{symbol} {status} {reason!r}: no target"] * (depth != 0)
                continue
            where = f"{symbol} {status} {reason!r}: wants {depth} x{leverage}, has {position}, "
            where += f"goal {goal and goal.quantity} of {target.depth} x{target.leverage} {target.reason}"
            if abs(target.depth - depth) > D("0.001") or leverage not in (None, target.leverage):
                found.append(f"{where}: another target")
            limits = bool(self.settings.limits.by_notional) or self.halted(symbol)
            limited = status == "limited" and limits
            if limited or self.excused(symbol):
                hidden = self.settings.enabled and (status == "at_target" or not reason)
                found += [f"{where}: not shown"] * (hidden and not self.judge.arrived(symbol))
            elif goal is None or goal.revision != target.revision or not self.judge.arrived(symbol):
                found.append(f"{where}: not reached")
            elif status == "drift" and self.left_for_a_reason(symbol, reason):
                continue
            elif status != "at_target" and self.settings.enabled:  # a disabled account that rests is not read
                found.append(f"{where}: reached, and not shown")
            elif self.halted(symbol):
                continue  # the leverage is set once increases are allowed again
            elif goal.quantity and position is not None and position.leverage != self.possible(symbol, goal):
                found.append(f"{where}: wants x{goal.leverage}")
        return found

    def possible(self, symbol: str, goal: Goal) -> int:
        """Return the leverage of a goal, or what the exchange allows by now."""
        return min(goal.leverage, self.market.listed[symbol].largest_leverage or goal.leverage)

    def left_for_a_reason(self, symbol: str, reason: str) -> bool:
        """Whether drift is left alone rightly: no order can take it away, or a halt keeps the leverage as it is."""
        too_small = "below the exchange's minimum" in reason or "no order can close it" in reason
        return too_small or ("leverage is" in reason and self.halted(symbol))

    def shown(self, symbol: str) -> tuple[str, str]:
        """Return status and reason of a symbol as an operator sees them."""
        state = self.worker.keepers.get(symbol)
        return (str(state.status), state.reason) if state is not None else ("", "")


DRIFTS: list[Literal["reduce", "heal", "alert"]] = ["reduce", "heal", "alert"]
CALM = 4200
"""Seconds after which every pause is over, that of a key which was refused for hours included."""


async def simulate(folder: Path, seed: int, kinds: frozenset[str] = KINDS) -> Counter[str]:
    """Run one seed with those kinds of events; returns how often each happened."""
    chance, clock = random.Random(seed), VirtualClock()
    market = Market(clock, chance, Habits.drawn(chance), kinds=kinds)
    weather = Weather(chance, market)
    connection = Connection(market, faults=weather, chance=chance, counts=market.counts, kinds=kinds)
    harness = Sea(folder, market, connection, weather, clock)
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
