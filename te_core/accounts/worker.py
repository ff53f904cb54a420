"""Keeps one account at its targets: woken by events, driven by state.

What a pass does depends only on the current targets and beliefs, never on what woke it. Symbols are executed
concurrently, each in its own task; a pass never waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from te_core.accounts.beliefs import Beliefs
from te_core.accounts.bookkeeping import Bookkeeper
from te_core.accounts.books import Counted
from te_core.accounts.context import ExecutionContext
from te_core.accounts.execution import Execution, Superseded
from te_core.accounts.exposure import ExposureLedger, Usage, reserve_goals
from te_core.accounts.flattening import FlattenWatch
from te_core.accounts.keeper import Keeper
from te_core.accounts.other_engines import OtherEngines
from te_core.accounts.outcomes import resolve_open
from te_core.accounts.pushes import Pushes
from te_core.accounts.quiet import QuietTimes
from te_core.accounts.reader import AccountReader
from te_core.accounts.reconciler import AsIf, Reconciler, Work
from te_core.accounts.reviews import Reviewer, Reviews
from te_core.accounts.schedule import Schedule
from te_core.accounts.stops import StopWatch
from te_core.accounts.targets import Targets, WorkerSettings
from te_core.accounts.task_ends import TaskEnds
from te_core.accounts.turns import Turns
from te_core.clock import Clock
from te_core.contracts.exchange import AccountStream, Capabilities, ExchangeAccount
from te_core.journal.journal import Journal
from te_core.journal.snapshot import SymbolRecord
from te_core.metrics import Metrics
from te_core.model.event import Event
from te_core.model.instrument import Instrument
from te_core.model.order import ClientOrderIdForm, Intent
from te_core.model.target import Blend
from te_core.outage import Outages
from te_core.rules.controls import Controls, scope_of_book
from te_core.rules.decision import Decision
from te_core.tracing import OFF, Tracer

if TYPE_CHECKING:
    from loguru import Logger

VERIFYING = 1.0
"""Seconds after a flatten until the whole account is read, unless a read comes earlier."""
SHORTEST = 1e-6
"""Minimum wait in seconds: otherwise a time that rounding put just after now might never be reached."""
FRESH = 0.5
"""Seconds after which a decision that waited for its turn is made again before it is executed."""


class AccountWorker:
    """Reconciles one account. It outlives the account's connection: ``run`` is called again after a failure.

    ``name``: the account's section in the settings. ``book``: its key in the journal and the exposure ledger.
    """

    def __init__(
        self,
        *,
        name: str,
        book: str | None = None,
        settings: WorkerSettings,
        journal: Journal,
        ledger: ExposureLedger,
        clock: Clock,
        log: Logger,
        outages: Outages,
        record: Callable[[Event], None],
        books: Mapping[str, SymbolRecord],
        open_intents: Iterable[Intent],
        turns: Turns | None = None,
        controls: Controls | None = None,
        trip: Callable[[str, str], None] = lambda _symbol, _reason: None,
        metrics: Metrics | None = None,
        tracer: Tracer = OFF,
        counted: Counted | None = None,
        stopped: Callable[[str, str, str], None] = lambda _symbol, _kind, _reason: None,
        time: Callable[[], datetime] | None = None,
        reviewer: Reviewer | None = None,
    ) -> None:
        self.name = name
        self.book = book or name
        self.beliefs = Beliefs(clock, self._has_open_orders)
        self._journal = journal
        self._ledger = ledger
        self.metrics, self._tracer = metrics or Metrics(), tracer
        self._clock, self._time = clock, time
        self._turn = partial((turns or Turns()).next, self.book)
        self._log, self._outages = log, outages
        self._record, self._trip = record, trip
        self._schedule = Schedule(outages)
        self._targets = self._make_targets(settings, controls)
        self._quiet = QuietTimes(clock, lambda: self.settings)
        self._targets.restore(books, open_intents)
        self._stops = self._stop_watch(stopped)
        self.reviews = Reviews(name, reviewer, clock=clock, wake=self.wake)
        self._reconciler = self._make_reconciler()
        self._task_ends = self._make_task_ends()
        self._flatten = self._flatten_watch()
        self.books = self._bookkeeper(counted or Counted())
        self.stream: AccountStream = self._pushes(clock)
        self._wake_event = asyncio.Event()
        self._stopping = False
        self._ctx: ExecutionContext | None = None
        self._slots = asyncio.Semaphore(settings.concurrency)
        reserve_goals(ledger, self.book, (keeper.goal for keeper in self.keepers.values()))

    def _make_targets(self, settings: WorkerSettings, controls: Controls | None) -> Targets:
        return Targets(
            self.book,
            settings,
            journal=self._journal,
            clock=self._clock,
            log=self._log,
            beliefs=self.beliefs,
            scopes=(self.name, scope_of_book(self.book)),
            controls=controls,
            time=self._time,
        )

    def _make_reconciler(self) -> Reconciler:
        return Reconciler(
            name=self.name,
            book=self.book,
            targets=self._targets,
            schedule=self._schedule,
            outages=self._outages,
            record=self._record,
            trip=self._trip,
            wake=self.wake,
            record_changes=self._stops.record_changes,
            reviews=self.reviews,
        )

    def _make_task_ends(self) -> TaskEnds:
        return TaskEnds(
            settings=lambda: self.settings,
            beliefs=self.beliefs,
            schedule=self._schedule,
            outages=self._outages,
            clock=self._clock,
            wake=self.wake,
        )

    def _stop_watch(self, stopped: Callable[[str, str, str], None]) -> StopWatch:
        return StopWatch(
            self.name,
            targets=self._targets,
            beliefs=self.beliefs,
            journal=self._journal,
            clock=self._clock,
            outages=self._outages,
            record=self._record,
            wake=self.wake,
            read_by=self.read_by,
            stopped=stopped,
        )

    def _bookkeeper(self, counted: Counted) -> Bookkeeper:
        books = Bookkeeper(
            self.name,
            self.book,
            beliefs=self.beliefs,
            journal=self._journal,
            clock=self._clock,
            log=self._log,
            record=self._record,
            in_flight=lambda: any(keeper.orders.open for keeper in self.keepers.values()),
            counted=counted,
            slipped=partial(self.metrics.signal_slippage, self.name),
            read_now=lambda: self.read_by(self._clock.monotonic()),
            turn=partial(self._turn, begun=True),
        )
        self.beliefs.on_equity = books.valued
        return books

    def _flatten_watch(self) -> FlattenWatch:
        return FlattenWatch(
            self.name,
            targets=self._targets,
            reconciler=self._reconciler,
            beliefs=self.beliefs,
            journal=self._journal,
            clock=self._clock,
            log=self._log,
            record=self._record,
            connected=lambda: self._ctx is not None,
        )

    def _other_engines(self) -> OtherEngines:
        return OtherEngines(
            self.name,
            keepers=self.keepers,
            reconciler=self._reconciler,
            journal=self._journal,
            clock=self._clock,
            log=self._log,
            record=self._record,
            trip=self._trip,
            wake=self.wake,
            form=self._id_form,
        )

    def _id_form(self) -> ClientOrderIdForm:
        return self._ctx.capabilities.client_order_ids if self._ctx is not None else ClientOrderIdForm()

    def _pushes(self, clock: Clock) -> Pushes:
        return Pushes(
            self.beliefs,
            clock,
            wake=self.wake,
            read_by=self.read_by,
            other_engines=self._other_engines(),
            stop_seen=self._stops.order_seen,
            price_seen=self._price_seen,
        )

    # -- state for other modules

    @property
    def keepers(self) -> Mapping[str, Keeper]:
        """The keeper of every symbol that has or had a target."""
        return self._targets.keepers

    @property
    def settings(self) -> WorkerSettings:
        """The operator's settings of the account."""
        return self._targets.settings

    @property
    def at_rest(self) -> bool:
        """Whether nothing is held, wanted or under way on any symbol."""
        return self._targets.at_rest

    @property
    def foreign(self) -> Mapping[str, Decimal]:
        """Positions on the account that the engine never opened, by symbol."""
        return self._reconciler.foreign

    @property
    def exposure(self) -> Decimal:
        """The absolute notional of all symbols that counts towards limits, in quote currency."""
        return self._ledger.of(self.book)

    def usage(self) -> Usage:
        """Return what counts towards the account's limits now."""
        return self._ledger.usage(self.book)

    @property
    def failing_reads(self) -> Mapping[str, str]:
        """The kinds of read whose last attempt failed, and why."""
        failing = self._reconciler.failing
        return {what: result.reason for what, result in failing.items() if result is not None}

    def last_error(self) -> str:
        """Return what is failing now, and why; empty if nothing is."""
        return self._outages.reason()

    async def preview(self, as_if: AsIf | None = None) -> Mapping[str, Decision] | str:
        """Read the account and return each symbol's next decision, or why there is none; changes nothing."""
        return "not connected" if self._ctx is None else await self._reconciler.preview(self._ctx, as_if)

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument] | str:
        """Return the instruments of those symbols that the exchange lists, or why they are unknown."""
        if self._ctx is None:
            return "not connected"
        reader = self._ctx.reader
        missing = await reader.load_instruments(symbols)
        found = {symbol: instrument for symbol in symbols if (instrument := reader.instrument(symbol))}
        return found if missing is None else missing.reason

    @property
    def scopes(self) -> tuple[str, ...]:
        """The account's names in the operator's commands: its section and its book."""
        return self._targets.scopes

    @property
    def observing(self) -> str:
        """Why nothing is sent on the account; empty if it is traded."""
        return self._targets.observing

    @property
    def holds_stops(self) -> bool | None:
        """Whether stops can rest at the exchange; None while the account is not connected."""
        return self._ctx.capabilities.stops if self._ctx is not None else None

    @property
    def still_open(self) -> Sequence[str]:
        """What a flatten must close and is still open, or not known to be closed; as texts."""
        return self._flatten.still_open()

    # -- requests from other modules

    def retarget(self, blends: Mapping[str, Blend | None]) -> None:
        """Apply the newest blends; each replaces the symbol's earlier one. None: the symbol has no weights now."""
        if self._targets.retarget(blends):
            self.wake()

    def configure(self, settings: WorkerSettings) -> None:
        """Apply changed settings of the account, its limits or the engine, without disturbing what is under way."""
        self._reconciler.settings_changed(symbols=settings.symbols != self.settings.symbols)
        if settings.concurrency != self.settings.concurrency:
            self._slots = asyncio.Semaphore(settings.concurrency)
        self._targets.configure(settings)
        self.wake()

    def command(self, controls: Controls) -> None:
        """Apply the operator's current commands at once, also to plans that are being executed."""
        self._targets.command(controls)
        if self._flatten.commanded():
            # Known positions are closed at once; the next read shows whether those were all.
            self.read_by(self._clock.monotonic() + (0 if self._flatten.foreign else VERIFYING))
        self.wake()

    def resume(self, symbol: str = "") -> None:
        """Retry what is held back, of one symbol or all, and correct drift that was left, with a newly sized target."""
        for keeper in [one for one in self.keepers.values() if symbol in ("", one.symbol)]:
            drifted = keeper.drifted
            keeper.resume()
            if drifted:
                self._targets.size_again(keeper, "resumed by the operator")
        if not symbol:
            self._reconciler.increases_blocked = ""
        self.wake()

    def read_again(self) -> None:
        """Doubt everything observed so far, and request a pass."""
        self.beliefs.outdate()
        self.wake()

    def wake(self) -> None:
        """Request a pass."""
        self._schedule.wanted = True
        self._wake_event.set()

    def _price_seen(self, symbol: str, price: Decimal) -> None:
        self._stops.price_seen(symbol, price)
        self.books.price_seen(symbol)

    def read_by(self, at: float) -> None:
        """Request a read of everything at that time (monotonic) at the latest."""
        self._schedule.read_by(at)
        self._wake_event.set()

    # -- the loop

    async def run(self, account: ExchangeAccount, capabilities: Capabilities) -> None:
        """Reconcile until cancelled. Raises ``AuthError`` and ``ConfigError`` of reads, and defects of the engine."""
        reader = AccountReader(account, self._clock, self.beliefs)
        ctx = ExecutionContext(
            account=account,
            capabilities=capabilities,
            reader=reader,
            beliefs=self.beliefs,
            journal=self._journal,
            ledger=self._ledger,
            metrics=self.metrics,
            tracer=self._tracer,
            name=self.name,
            clock=self._clock,
            limits=lambda: self.settings.limits,
            policy=lambda: self.settings.policy,
            no_increases=self._quiet.why,
            enabled=lambda: self.settings.enabled,
            observing=lambda: self.observing,
            stopping=lambda: self._stopping,
            busy=lambda: len(self._tasks()),
            turn=partial(self._turn, begun=True),
            books=self.books,
        )
        self.beliefs.connected(ctx.window)
        self._quiet.connected(reader)
        self._reconciler.connected()
        self._stops.connected()
        self._ctx = ctx
        self._flatten.commanded()
        self.read_by(self._clock.monotonic())
        books = asyncio.create_task(self.books.supervise(account, capabilities, self._outages))
        try:
            while True:
                await self._until_due()
                await self._turn()  # targets that change while waiting are decided in this pass
                await self._pass(ctx)
        finally:
            self._ctx = None
            self._quiet.forget_end()
            self.reviews.close()
            books.cancel()
            await self._cancel_tasks()
            await asyncio.gather(books, self._stops.cancel_tasks(), return_exceptions=True)
            await reader.close()

    async def drain(self, grace: timedelta) -> None:
        """Start no further step, and wait up to ``grace`` for orders under way. For a graceful stop."""
        self._stopping = True
        self._flatten.stop()
        if tasks := self._tasks():
            await asyncio.wait(tasks, timeout=grace.total_seconds())

    def _has_open_orders(self, symbol: str) -> bool:
        keeper = self._targets.keepers.get(symbol)
        return keeper is not None and bool(keeper.orders.open)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [keeper.task for keeper in self.keepers.values() if keeper.task]

    async def _cancel_tasks(self) -> None:
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_due(self) -> None:
        while True:
            delay = self._delay()
            if delay is not None and delay <= 0:
                return
            self._wake_event.clear()
            try:
                async with asyncio.timeout(None if delay is None else max(delay, SHORTEST)):
                    await self._wake_event.wait()
            except TimeoutError:
                continue

    def _delay(self) -> float | None:
        """Return the seconds until the next pass is due; None: only when woken. Nothing is due while stopping."""
        if self._stopping:
            return None
        now = self._clock.monotonic()
        holds = (keeper.held_until() for keeper in self.keepers.values() if keeper.task is None)
        retries = [until for until in holds if until is not None]
        due = self._schedule.due(now, retries, reads=self.settings.enabled or not self.at_rest)
        return None if due is None else due - now

    async def _pass(self, ctx: ExecutionContext) -> None:
        for keeper in self.keepers.values():
            if keeper.orders.open and keeper.task is None:
                self._start(keeper, partial(resolve_open, ctx, keeper))
        self.metrics.made_pass(self.name)
        for work in await self._reconciler.make_pass(ctx):
            self._execute(ctx, work)
        self._stops.list_if_due(ctx)
        self._stops.review(ctx)
        self._flatten.check()
        self._quiet.wake_at_end([k.symbol for k in self.keepers.values() if k.limited], self.wake)

    # -- one symbol

    def _execute(self, ctx: ExecutionContext, work: Work) -> None:
        execution = Execution(ctx, work.keeper, work.decision, work.position, work.decided_at)
        self._start(work.keeper, partial(self._run, ctx, execution, work.keeper), execution)

    async def _run(self, ctx: ExecutionContext, execution: Execution, keeper: Keeper) -> None:
        """Execute a decision. If it waited for its turn, it is first made again from what is known by then (I23)."""
        if execution.age() > FRESH:
            again = self._reconciler.decide_again(ctx, keeper)
            if again is None:
                raise Superseded("decided again: nothing may start now")
            execution.renew(again.decision, again.position, again.decided_at)
        await execution.run()

    def _start(
        self, keeper: Keeper, work: Callable[[], Awaitable[None]], execution: Execution | None = None
    ) -> None:
        if self._stopping:
            return
        # What the operator wants closed does not wait for a slot: only the exchange's own budget limits it.
        slot = nullcontext() if keeper.standing.flat else self._slots
        task = keeper.begin(self._in_slot(work, slot), resolving=execution is None)
        task.add_done_callback(partial(self._finished, keeper, execution))

    async def _in_slot(
        self, work: Callable[[], Awaitable[None]], slot: AbstractAsyncContextManager[None]
    ) -> None:
        async with slot:
            await self._turn()
            await work()

    def _finished(self, keeper: Keeper, execution: Execution | None, task: asyncio.Task[None]) -> None:
        """Handle the end of a symbol's task; its errors never affect another symbol."""
        keeper.ended()
        if task.cancelled():
            return
        self._task_ends.handle(keeper, execution, task.exception())
        if self._ctx is not None and not self._stopping:
            self._stops.review(self._ctx, keeper)
        self._flatten.check()
        self._wake_event.set()
