"""Keeps one account at its targets: woken by events, driven by state.

What a pass does depends only on the present targets and positions, never on what woke it. Symbols are carried out at
the same time, each by its own task; a pass never waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from te_core.accounts.context import Surroundings
from te_core.accounts.execution import Execution, Superseded
from te_core.accounts.exposure import ExposureLedger
from te_core.accounts.keeper import SymbolState
from te_core.accounts.outcomes import confirm, keep_goal, settle_open
from te_core.accounts.reader import AccountReader
from te_core.accounts.schedule import REDUCTION_RETRY, Timetable
from te_core.accounts.targets import Targets, WorkerSettings
from te_core.clock import Clock
from te_core.contracts.exchange import AccountStream, Capabilities, ExchangeAccount, Feed
from te_core.errors import AuthError, NotReady, OutcomeUnknown, RateLimited, TradeEngineError
from te_core.journal.journal import Journal
from te_core.journal.memory import Book
from te_core.model.event import Event
from te_core.model.order import Intent
from te_core.model.position import Equity, Position
from te_core.model.reading import Reading, Unknown
from te_core.model.snapshot import Holdings, Snapshot
from te_core.model.target import Blend
from te_core.outage import Outages
from te_core.rules.backoff import backoff
from te_core.rules.decision import Decision, Facts, Status, decide, position_of
from te_core.rules.margin_priority import first_to_go

if TYPE_CHECKING:
    from loguru import Logger

ZERO = Decimal(0)
Work = Callable[[], Awaitable[None]]


class Wake(AccountStream):
    """Wakes the worker for any pushed change."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def up(self, *feeds: Feed) -> None:
        """Ignored."""

    def heard(self, *feeds: Feed) -> None:
        """Ignored."""

    def down(self, *feeds: Feed) -> None:
        """Ignored."""

    def position(self, position: Position) -> None:  # noqa: ARG002 - the contract
        """Read the account."""
        self._wake()

    def equity(self, equity: Equity) -> None:
        """Ignored."""

    def price(self, symbol: str, price: Decimal) -> None:
        """Ignored."""

    def order(self, client_order_id: str, symbol: str) -> None:  # noqa: ARG002 - the contract
        """Read the account."""
        self._wake()

    def changed(self) -> None:
        """Read the account."""
        self._wake()


class AccountWorker:
    """Reconciles one account. It outlives the account's connection: ``run`` is called again after a failure."""

    def __init__(
        self,
        *,
        name: str,
        settings: WorkerSettings,
        journal: Journal,
        ledger: ExposureLedger,
        clock: Clock,
        log: Logger,
        outages: Outages,
        record: Callable[[Event], None],
        books: Mapping[str, Book],
        open_intents: Iterable[Intent],
    ) -> None:
        self.name = name
        self.snapshot: Snapshot | None = None
        self.foreign: dict[str, Decimal] = {}
        self._targets = Targets(name, settings, journal=journal, clock=clock, log=log)
        self._targets.restore(books, open_intents)
        self.states = self._targets.states
        self._journal = journal
        self._ledger = ledger
        self._clock = clock
        self._outages = outages
        self._record = record
        self._timetable = Timetable(outages)
        self._bell = asyncio.Event()
        self._acquainted = False
        self._stopping = False
        self._fatal: BaseException | None = None
        self._around: Surroundings | None = None
        self._slots = asyncio.Semaphore(settings.concurrency)
        for state in self.states.values():
            if state.goal is not None:
                ledger.aim(name, state.symbol, state.goal.quantity * state.goal.price)

    @property
    def settings(self) -> WorkerSettings:
        """What the operator says of the account."""
        return self._targets.settings

    @property
    def at_rest(self) -> bool:
        """Whether nothing is held, wanted or under way on any symbol."""
        return self._targets.at_rest

    def retarget(self, wishes: Mapping[str, Blend | None]) -> None:
        """Take the newest blends; a newer one of a symbol replaces the older. None: nobody wishes for it any more."""
        if self._targets.retarget(wishes):
            self.wake()

    def configure(self, settings: WorkerSettings) -> None:
        """Take changed settings of the account, its limits or the engine, without touching what is under way."""
        self._acquainted = self._acquainted and settings.symbols == self.settings.symbols
        self._targets.configure(settings)
        self._slots = asyncio.Semaphore(settings.concurrency)
        self.wake()

    # -- what the exchange pushes

    @property
    def stream(self) -> AccountStream:
        """Where the account's connection passes on what is pushed."""
        return Wake(self.wake)

    # -- the loop

    def wake(self) -> None:
        """Ask for a pass."""
        self._timetable.wanted = True
        self._bell.set()

    async def run(self, account: ExchangeAccount, capabilities: Capabilities) -> None:
        """Reconcile until cancelled. Raises ``AuthError`` and whatever a defective plugin raises."""
        around = Surroundings(
            account=account,
            capabilities=capabilities,
            reader=AccountReader(account, self._clock),
            journal=self._journal,
            ledger=self._ledger,
            clock=self._clock,
            limits=lambda: self.settings.limits,
            enabled=lambda: self.settings.enabled,
            stopping=lambda: self._stopping,
            busy=lambda: len(self._tasks()),
        )
        self._fatal, self._around, self._acquainted = None, around, False
        self.wake()
        try:
            while True:
                await self._until_due()
                await self._pass(around)
        finally:
            self._around = None
            await self._cancel_tasks()

    async def drain(self, patience: timedelta) -> None:
        """Begin no further step, and give orders under way time to be answered. For a graceful stop."""
        self._stopping = True
        if tasks := self._tasks():
            await asyncio.wait(tasks, timeout=patience.total_seconds())

    def trouble(self) -> str:
        """Say what is out now."""
        return self._outages.reason()

    async def preview(self) -> dict[str, Decision] | str:
        """Read the account afresh and say what each symbol's next step would be; sends nothing, changes nothing."""
        if self._around is None:
            return "not connected"
        around = self._around
        symbols = [state.symbol for state in self.states.values() if state.target]
        snapshot = await around.reader.snapshot(symbols)
        if isinstance(snapshot.holdings, Unknown):
            return snapshot.holdings.reason
        found = {}
        for state in self.states.values():
            if state.target is not None:
                position = self._position(around, state, snapshot.holdings)
                found[state.symbol] = decide(self._facts(around, state, snapshot, position))
        return found

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [state.task for state in self.states.values() if state.task]

    async def _cancel_tasks(self) -> None:
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_due(self) -> None:
        while True:
            if self._fatal is not None:
                raise self._fatal
            delay = self._delay()
            if delay is not None and delay <= 0:
                return
            self._bell.clear()
            try:
                async with asyncio.timeout(delay):
                    await self._bell.wait()
            except TimeoutError:
                continue

    def _delay(self) -> float | None:
        """Seconds until the next pass is due; None: only when woken. Nothing is due while stopping."""
        if self._stopping:
            return None
        now = self._clock.monotonic()
        retries = [state.retry_at for state in self.states.values() if state.task is None]
        due = self._timetable.due(now, retries, reads=self.settings.enabled or not self.at_rest)
        return None if due is None else due - now

    # -- a pass

    async def _pass(self, around: Surroundings) -> None:
        self._timetable.begin(self._clock.monotonic())
        for state in self.states.values():
            if state.open and state.task is None:
                self._start(state, partial(settle_open, around, state))
        symbols = [state.symbol for state in self.states.values() if state.wanted or state.closing]
        if not self._acquainted:  # it gets to know all symbols, so that the first signal of one need not wait
            self._acquainted = True
            symbols = list(dict.fromkeys([*symbols, *self.settings.symbols]))
        snapshot = await self._read(around, symbols)
        if isinstance(snapshot.holdings, Unknown):
            self._timetable.pause(self._clock.monotonic() + (snapshot.holdings.retry_after or 0.0))
            return
        self._observe(around, snapshot, snapshot.holdings)
        # A target that came while the read was under way was not read for: the next pass decides it.
        ready = [state for state in self.states.values() if state.symbol in symbols or not state.wanted]
        decisions = [(state, self._decide(around, state, snapshot)) for state in ready]
        work = [(state, decision) for state, decision in decisions if decision is not None]
        self._carry_out(around, work, snapshot.equity)

    async def _read(self, around: Surroundings, symbols: list[str]) -> Snapshot:
        missing = await around.reader.load_instruments(symbols)
        snapshot = await around.reader.snapshot(symbols)
        readings = {**snapshot.readings(), "instruments": missing}
        urgent = any(state.may_reduce for state in self.states.values())
        self._timetable.read(self._clock.monotonic(), readings, self.settings.engine, urgent=urgent)
        self.snapshot = snapshot
        return snapshot

    def _pause(self, failures: int) -> timedelta:
        engine = self.settings.engine
        return backoff(failures, engine.backoff_first, engine.backoff_last)

    def _position(
        self, around: Surroundings, state: SymbolState, holdings: Holdings | Unknown
    ) -> Position | Unknown:
        found = position_of(
            holdings,
            state.symbol,
            newer_than=state.touched,
            trail=state.trail,
            patience=around.capabilities.settle_after.total_seconds(),
        )
        return state.with_settings(found) if isinstance(found, Position) else found

    def _observe(self, around: Surroundings, snapshot: Snapshot, holdings: Holdings) -> None:
        """Take the read into the exposure ledger, except where an own order is under way or newer."""
        held = {symbol: p for symbol, p in holdings.positions.items() if p.quantity != 0}
        ours = {symbol for symbol, state in self.states.items() if state.goal is not None}
        before, self.foreign = self.foreign, {s: p.quantity for s, p in held.items() if s not in ours}
        for symbol in dict.fromkeys([*self.states, *before, *held]):
            state, position = self.states.get(symbol), held.get(symbol)
            if state is not None and (
                state.task or isinstance(self._position(around, state, holdings), Unknown)
            ):
                continue
            price = snapshot.price(symbol) or (position.entry_price if position else None) or ZERO
            self._ledger.observe(self.name, symbol, (position.quantity if position else ZERO) * price)

    def _decide(self, around: Surroundings, state: SymbolState, snapshot: Snapshot) -> Decision | None:
        if state.task is not None or state.target is None or state.open:
            return None
        now = self._clock.monotonic()
        may_increase = now >= state.retry_at
        if may_increase:
            state.retry_at = 0.0
        position = self._position(around, state, snapshot.holdings)
        if isinstance(position, Unknown):  # from before our own order: nothing is wrong, it is read again
            if not state.confirmed:
                state.status, state.reason = Status.WAITING, position.reason
            self._timetable.read_by(now + REDUCTION_RETRY.total_seconds())
            return None
        state.seen(position)
        decision = decide(self._facts(around, state, snapshot, position))
        self._note(state, decision)
        self._take(around, state, decision)
        if not decision.plan.steps:
            return None
        if may_increase or (decision.plan.reduces and not state.retry_reduction):
            return decision
        state.held_back(state.trouble)
        return None

    def _facts(
        self, around: Surroundings, state: SymbolState, snapshot: Snapshot, position: Position | Unknown
    ) -> Facts:
        assert state.target is not None
        return Facts(
            target=state.target,
            goal=state.goal,
            confirmation=state.confirmation,
            position=position,
            equity=snapshot.equity,
            price=snapshot.price(state.symbol),
            instrument=around.reader.instrument(state.symbol),
            policy=self.settings.policy,
            limits=self.settings.limits,
            leverage_in_order=around.capabilities.leverage_in_order,
            ceiling=self._ledger.ceiling(self.name, state.symbol, self.settings.limits),
            leverage_tries=state.leverage_tries,
            now=self._clock.now(),
        )

    def _take(self, around: Surroundings, state: SymbolState, decision: Decision) -> None:
        """Keep what a decision found out."""
        goal, position = decision.goal, state.position
        if goal is not None and decision.sized:
            # Counted before the next symbol is decided, so that two symbols never share one room of a limit.
            self._ledger.aim(self.name, state.symbol, goal.quantity * goal.price)
        if goal is not None and position is not None and decision.confirm:
            if decision.sized:
                keep_goal(around, state, goal)
            confirm(around, state, goal, position.quantity)
            self._outages.well(state.symbol)
        if decision.resize:
            self._targets.rebalance(state)
            self.wake()

    def _note(self, state: SymbolState, decision: Decision) -> None:
        """Say once what is new: waiting, blocked, drifting."""
        if decision.drift and not state.drifting:
            how = "putting it right" if decision.plan.steps else "left as it is"
            self._tell(state, "drift", f"drift: {decision.reason}; {how}")
        elif decision.status in (Status.WAITING, Status.BLOCKED) and decision.reason != state.reason:
            self._tell(state, decision.status, f"{decision.status}: {decision.reason}")
        state.drifting = decision.drift
        state.status, state.reason = decision.status, decision.reason

    def _tell(self, state: SymbolState, kind: str, text: str) -> None:
        state.log.warning("{}", text)
        now = self._clock.now()
        self._record(Event(at=now, kind=kind, text=text, account=self.name, symbol=state.symbol))

    def _carry_out(
        self, around: Surroundings, work: list[tuple[SymbolState, Decision]], equity: Reading[Equity]
    ) -> None:
        """Start what was decided. While free margin does not cover the increases, reductions go first."""
        beginning = first_to_go([decision for _, decision in work], equity)
        for index in beginning:
            state, decision = work[index]
            state.replan = len(beginning) < len(work)
            self._start(state, Execution(around, state, decision).run)

    # -- one symbol

    def _start(self, state: SymbolState, work: Work) -> None:
        if self._stopping:
            return
        state.task = asyncio.create_task(self._in_slot(work))
        state.task.add_done_callback(partial(self._finished, state))

    async def _in_slot(self, work: Work) -> None:
        async with self._slots:
            await work()

    def _finished(self, state: SymbolState, task: asyncio.Task[None]) -> None:
        """Look at how a symbol's task ended; nothing that it raises reaches another symbol."""
        state.task = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._outages.well(state.symbol)
            if not state.confirmed or state.replan:
                self._plan_again(state)
        elif isinstance(error, Superseded | OutcomeUnknown):
            state.reason = str(error) or state.reason
            self.wake()
        elif isinstance(error, AuthError):
            self._fatal = error
        else:
            self._failed(state, error)
        self._bell.set()

    def _plan_again(self, state: SymbolState) -> None:
        """Plan again after a miss without an error (partial fill, settled intent): first at once, then backing off."""
        pause = timedelta(0)
        if not state.replan and not state.confirmed:
            state.failures += 1
            state.retry_reduction = state.reducing
            pause = self._pause(state.failures - 1)
            if state.reducing:
                pause = min(pause, REDUCTION_RETRY)
            state.held_back("the last orders did not lead to the goal")
        state.replan = False
        state.wait(self._clock.monotonic(), pause.total_seconds())
        if not pause:
            self.wake()

    def _failed(self, state: SymbolState, error: BaseException) -> None:
        state.failures += 1
        state.held_back(str(error) or type(error).__name__)
        state.retry_reduction = state.reducing
        pause = REDUCTION_RETRY if state.reducing else self._pause(state.failures)
        asked = (error.retry_after or 0.0) if isinstance(error, NotReady) else 0.0
        now = self._clock.monotonic()
        state.wait(now, max(pause.total_seconds(), asked))
        if isinstance(error, RateLimited):
            self._timetable.pause(now + (asked or 1.0))
        if not isinstance(error, TradeEngineError | TimeoutError):
            state.log.opt(exception=error).error("defect: {}", state.reason)
        self._outages.failing(state.symbol, state.reason)
