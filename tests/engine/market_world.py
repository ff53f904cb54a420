"""A worker of one account in a world that moves, its breakers, and what its operator commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from te_core.accounts.books import Counted
from te_core.accounts.exposure import ExposureLedger, count_journaled
from te_core.api import Known, MarginMode, OrderReport, OrderRequest, Position
from te_core.model.control import Action, Command, Control, ControlState
from te_core.model.target import Blend
from te_core.rules.breakers import Trip
from te_core.rules.controls import controls_of, lifted_by
from te_core.runtime.breakers import CircuitBreakers
from te_core.runtime.guarded_account import GuardedAccount
from te_core.settings.schema import Settings
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.commanding import Commanding
from tests.engine.judge import Judge
from tests.engine.market import PRICES, Market
from tests.engine.odd import OddAccount
from tests.engine.weather import Weather
from tests.engine.worker_harness import SupervisedHarness, blend_for

D = Decimal
DEPTHS = ["0", "0.1", "-0.1", "0.3", "-0.25", "0.45", "0.4503", "-0.002"]
ARMED: list[dict[str, Any]] = [
    {},
    {"daily_loss": {"percent": 2}},
    {"drawdown": {"percent": 3, "action": "flatten"}, "slippage": {"percent": 2}},
    {"symbol_loss": {"amount": 80}, "losing_trades": {"count": 1, "action": "flatten"}},
    {"rejections": {"count": 2, "action": "flatten"}, "equity_jump": {"percent": 10}},
]
"""Breakers that an operator arms; they trip rarely enough for everything else to go on."""


class Connection(OddAccount):
    """Checks every order at the moment it is submitted, and records when positions are read."""

    harness: MarketWorld
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
        self.harness.sent_at = self.harness.clock.monotonic()
        if self.harness.keys.get("observe"):
            self.harness.judge.found(what, "was sent while observing")


class MarketWorld(SupervisedHarness):
    """A worker that is started again after any failure, as under its supervisor."""

    def __init__(
        self, path: Path, market: Market, connection: Connection, weather: Weather, clock: VirtualClock
    ) -> None:
        self.market, self.connection, self.weather, self.chance = market, connection, weather, market.chance
        self.kinds, self.counts = market.kinds, market.counts
        self.keys: dict[str, Any] = {}
        self.blends: dict[str, tuple[str, int] | None] = {}
        self.stepped_at = float("-inf")
        self.woken = False
        self.sent_at = float("-inf")
        self.said_at: dict[str, str] = {}
        self.commanding = Commanding()
        self.by_hand: dict[str, Decimal] = {}
        self.swept_at: dict[str, float] = {}
        """Symbols whose last command was to flatten everything that is held, and when that was."""
        self.judge = Judge(market, lambda: self.settings, self._signal_price)
        self.judge.halted = self.halted
        self.armed: dict[str, Any] = self.chance.choice(ARMED)
        self.held_by_breakers: dict[str, Trip] = {}
        """What tripped and was not resumed, as this operator saw it."""
        connection.harness, connection.read_at = self, []
        super().__init__(path, GuardedAccount(connection), clock, streams=market.habits.streams)

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
        """A tripped breaker holds until it is resumed, whatever happens meanwhile."""
        now = {one.trip.key for one in self.breakers.shown() if one.trip is not None}
        if lost := self.held_by_breakers.keys() - now:
            self.judge.found("tripped, and forgotten:", *lost)
        for trip in self.held_by_breakers.values():
            if not self.commanding.held({"a"}, trip.symbol, ()) and not self.let_out(trip):
                self.judge.found(trip, "tripped, and holds nothing back")

    def let_out(self, trip: Trip) -> bool:
        """Whether the operator resumed a symbol that a tripped breaker halts."""
        found = self.commanding.newest({"a"}, trip.symbol)
        return found is not None and found.action == "resume"

    def tell(self) -> None:
        self.worker.retarget({symbol: self.blend(symbol) for symbol in self.blends})

    def _signal_price(self, symbol: str) -> Decimal | None:
        """The price that the newest signal stated; a depth by hand without any signal has none."""
        return D(self.said_at[symbol]) if self.blends.get(symbol) is not None else None

    def blend(self, symbol: str) -> Blend | None:
        how = self.blends[symbol]
        return None if how is None else blend_for(symbol, *how, price=self.said_at[symbol])

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

    def halted(self, symbol: str) -> bool:
        """Whether a symbol may only be reduced."""
        return self.commanding.held({"a"}, symbol, ())
