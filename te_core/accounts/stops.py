"""Maintains the stops of one account: at the exchange if it supports them, else by watching prices.

``te_core.rules.stops`` determines which stops rest, from the believed position and the newest price. Each symbol has
its own task for its stops, so that no order waits for one. Whether a stop was filled is queried from the exchange,
never guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from functools import partial

from te_core.accounts.beliefs import Beliefs
from te_core.accounts.context import ExecutionContext
from te_core.accounts.dispatch import StaleDecision
from te_core.accounts.keeper import Keeper
from te_core.accounts.pauses import hold_after
from te_core.accounts.reader import read
from te_core.accounts.stop_orders import StopOrders
from te_core.accounts.targets import Targets
from te_core.clock import Clock
from te_core.contracts.exchange import Feed
from te_core.errors import PluginDefect, TradeEngineError, described
from te_core.journal.journal import Journal
from te_core.model.event import Event
from te_core.model.exits import Exits
from te_core.model.order import BestPrice, Side, StopKind
from te_core.model.policy import StopPolicy
from te_core.model.position import Position
from te_core.model.reading import Unknown
from te_core.outage import Outages
from te_core.rules.stops import (
    NO_LEVELS,
    Changes,
    Levels,
    StopOrder,
    changes,
    crossed,
    follows,
    levels,
    wanted_orders,
)

ZERO = Decimal(0)
UNTRIGGERED = 10.0
"""Seconds after which the engine closes a position itself if the price has passed a stop that still rests."""
STALE_PAUSE = 1.0
"""Seconds until stops are decided again if the decision became too old or may not be sent now."""
WATCH_EVERY = 5.0
"""Seconds between reads of prices for stops that the engine watches, if prices are not pushed."""
LISTING = ""
"""The key of the task that lists an account's stops, among those of its symbols."""


class StopWatch:
    """One per account. ``wake`` requests a pass, ``read_by`` a read of everything by a time.

    ``stopped`` holds a symbol flat until its next signal: called with symbol, kind and what happened.
    """

    def __init__(
        self,
        name: str,
        *,
        targets: Targets,
        beliefs: Beliefs,
        journal: Journal,
        clock: Clock,
        outages: Outages,
        record: Callable[[Event], None],
        wake: Callable[[], None],
        read_by: Callable[[float], None],
        stopped: Callable[[str, str, str], None],
    ) -> None:
        self._name = name
        self._targets = targets
        self._beliefs = beliefs
        self._journal = journal
        self._clock = clock
        self._outages = outages
        self._record = record
        self._wake = wake
        self._read_by = read_by
        self._stopped = stopped
        self._orders = StopOrders(journal, clock, fire=self._fire, report=self._report, read_by=read_by)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._listed_at = float("-inf")

    # -- requests from other modules

    @property
    def policy(self) -> StopPolicy:
        """The operator's settings for stops."""
        return self._targets.settings.stops

    def _concerns(self, keeper: Keeper) -> bool:
        """Return whether a symbol has any stops, or should have."""
        has = keeper.stops.open or keeper.stops.quantity
        return keeper.target is not None and bool(has or self._exits(keeper))

    def price_seen(self, symbol: str, price: Decimal) -> None:
        """Request a pass if a pushed price passes a level or moves one."""
        keeper = self._targets.keepers.get(symbol)
        if keeper is None or not keeper.stops.quantity or not keeper.wanted:
            return
        stops = keeper.stops
        if crossed(stops.levels, stops.quantity, price) is not None and stops.passed_at is None:
            self._wake()
        elif (exits := self._exits(keeper)) is not None and stops.best is not None:
            entry = self._entry(keeper, keeper.position)
            sign = stops.best.side.sign
            if entry and follows(exits, sign=sign, entry=entry, best=stops.best.price, price=price):
                self._wake()

    def order_seen(self, client_order_id: str, symbol: str) -> None:
        """Mark a stop as doubtful after the exchange reported a change of it, and request a pass."""
        keeper = self._targets.keepers.get(symbol)
        if keeper is not None and client_order_id in keeper.stops.open:
            keeper.stops.doubt(client_order_id, self._clock.monotonic())
            self._wake()

    async def cancel_tasks(self) -> None:
        """Cancel what is under way; stops that were sent are looked up in the next run."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def connected(self) -> None:
        """Start over on a new connection: resting stops are listed again."""
        self._listed_at = float("-inf")

    # -- listing

    def list_if_due(self, ctx: ExecutionContext) -> None:
        """List the account's open stops once per resync interval, in the background."""
        now = ctx.clock.monotonic()
        due = now - self._listed_at >= self._targets.settings.engine.resync.total_seconds()
        ours = any(keeper.stops.open for keeper in self._targets.keepers.values())
        if due and ours and ctx.capabilities.stops and LISTING not in self._tasks and not ctx.stopping():
            self._listed_at = now
            task = asyncio.create_task(self._list(ctx))
            self._tasks[LISTING] = task
            task.add_done_callback(self._listed)

    def _listed(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(LISTING, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._outages.failing("stops", described(error))

    async def _list(self, ctx: ExecutionContext) -> None:
        """Mark those of our stops as doubtful that the exchange does not list."""
        asked_at = ctx.clock.monotonic()
        found = await read("stops", ctx.account.stops)
        if isinstance(found, Unknown):
            self._outages.failing("stops", found.reason)
            return
        self._outages.well("stops")
        listed = {one.client_order_id for one in found}
        before = self._doubts()
        for keeper in self._targets.keepers.values():
            stops = keeper.stops
            for name, intent in list(stops.open.items()):
                if name in listed:
                    stops.rests(intent, asked_at)
                    if asked_at >= stops.doubted.get(name, asked_at) + ctx.window:
                        stops.sure(intent)
                elif asked_at >= stops.sent_at(intent, asked_at) + ctx.window:
                    stops.doubt(name, asked_at)
        if self._doubts() != before:
            self._wake()

    def _doubts(self) -> list[str]:
        return [name for keeper in self._targets.keepers.values() for name in keeper.stops.doubted]

    # -- reviewing

    def record_changes(self, ctx: ExecutionContext) -> None:
        """Mark stops as doubtful if others changed the symbol's position. Called before anything is decided from it."""
        for keeper in self._targets.keepers.values():
            if keeper.stops.open:
                seen = ctx.beliefs.evidence(keeper.symbol).foreign_changes
                keeper.stops.position_changed(seen, ctx.clock.monotonic())

    def review(self, ctx: ExecutionContext, one: Keeper | None = None) -> None:
        """Review the stops of every symbol that has or should have any, or of one whose orders have finished."""
        keepers = [one] if one is not None else list(self._targets.keepers.values())
        watching = False
        for keeper in keepers:
            watching |= self._concerns(keeper) and self._review(ctx, keeper)
        if watching and not self._beliefs.follows(Feed.PRICES):
            self._read_by(ctx.clock.monotonic() + WATCH_EVERY)

    def _review(self, ctx: ExecutionContext, keeper: Keeper) -> bool:
        """Review one symbol's stops. Returns whether the engine itself must watch one of its levels."""
        stops, position = keeper.stops, ctx.beliefs.position(keeper.symbol)
        if isinstance(position, Unknown) or position.obstacle:  # resting stops stay as they are
            self._begin(ctx, keeper, Changes())
            return bool(stops.quantity)
        at = self._levels(ctx, keeper, position)
        stops.set_levels(at, position.quantity if at is not NO_LEVELS else ZERO)
        self._report_notes(keeper, at)
        if at is NO_LEVELS and not stops.open:
            self._recovered(keeper)  # there is nothing left to place
        price = ctx.beliefs.price(keeper.symbol)
        if (
            at is not NO_LEVELS
            and price is not None
            and self._close_if_passed(ctx, keeper, position, at, price)
        ):
            return True
        if keeper.task is None and not keeper.orders.open:
            self._begin(ctx, keeper, self._changes(ctx, keeper, position, at, price))
        else:
            self._begin(ctx, keeper, Changes())
        kinds = [kind for kind in StopKind if at.of(kind) is not None]
        return stops.passed_at is not None or not all(stops.covers(kind, position.quantity) for kind in kinds)

    def _exits(self, keeper: Keeper) -> Exits | None:
        stated = keeper.blend.exits if keeper.blend is not None and keeper.standing.by_hand is None else None
        return self.policy.of(keeper.symbol, stated)

    @staticmethod
    def _entry(keeper: Keeper, position: Position | None) -> Decimal | None:
        goal = keeper.goal.price if keeper.goal is not None else None
        return (position.entry_price if position is not None else None) or goal

    def _levels(self, ctx: ExecutionContext, keeper: Keeper, position: Position) -> Levels:
        exits, entry = self._exits(keeper), self._entry(keeper, position)
        instrument = ctx.reader.instrument(keeper.symbol)
        if not position.quantity or not keeper.ours:
            keeper.stops.over()
            return NO_LEVELS
        if exits is None or entry is None or not entry:
            return NO_LEVELS
        best = self._best(keeper, exits, Side.of(position.quantity), entry, ctx.beliefs.price(keeper.symbol))
        tick = instrument.price_tick if instrument is not None else ZERO
        return levels(exits, quantity=position.quantity, entry=entry, best=best, tick=tick)

    def _best(
        self, keeper: Keeper, exits: Exits, side: Side, entry: Decimal, price: Decimal | None
    ) -> Decimal:
        """Return the best price since the position was opened; persist a better one if a stop follows it."""
        known, follow = keeper.stops.best, exits.follows_price
        if known is None or known.side is not side or (entry - known.price) * side.sign > 0:
            known = self._new_best(keeper, side, entry)
            if follow:
                persist_best(self._journal, known)
        if price is not None and follows(exits, sign=side.sign, entry=entry, best=known.price, price=price):
            known = self._new_best(keeper, side, price)
            persist_best(self._journal, known)
        keeper.stops.set_best(known)
        return known.price

    def _new_best(self, keeper: Keeper, side: Side, price: Decimal) -> BestPrice:
        assert keeper.target is not None
        return BestPrice(
            account=keeper.target.account, symbol=keeper.symbol, side=side, price=price, at=self._clock.now()
        )

    def _close_if_passed(
        self, ctx: ExecutionContext, keeper: Keeper, position: Position, at: Levels, price: Decimal
    ) -> bool:
        """Close a position if the price has passed a level, unless a stop at the exchange is about to do so."""
        stops, kind = keeper.stops, crossed(at, position.quantity, price)
        if kind is None or not keeper.wanted or ctx.observing():
            stops.passed(None)
            return False
        now, held_there = ctx.clock.monotonic(), stops.may_cover(kind, position.quantity)
        if held_there:
            passed_at = stops.passed(stops.passed_at or now) or now
            if now < passed_at + UNTRIGGERED:
                self._read_by(passed_at + UNTRIGGERED)
                return False
        level = at.of(kind)
        assert level is not None
        late = "did not trigger at the exchange" if held_there else "watched by the engine"
        self._fire(keeper, kind, f"price {price:f} passed the {kind} at {level:f} ({late})")
        return True

    def _fire(self, keeper: Keeper, kind: StopKind, text: str) -> None:
        keeper.stops.passed(None)
        keeper.log.warning("{}; flat until the next signal", text)
        self._report(keeper, f"{text}; flat until the symbol's next signal")
        self._stopped(keeper.symbol, str(kind), text)

    def _changes(
        self, ctx: ExecutionContext, keeper: Keeper, position: Position, at: Levels, price: Decimal | None
    ) -> Changes:
        stops, instrument = keeper.stops, ctx.reader.instrument(keeper.symbol)
        if not ctx.capabilities.stops or stops.doubted:
            return Changes()
        here = self.policy.at == "exchange" and at is not NO_LEVELS
        if here and (instrument is None or keeper.target is None):
            return Changes()
        if here and not keeper.wanted:
            return Changes()  # it is being closed: resting stops stay until that is done
        wanted: tuple[StopOrder, ...] = ()
        if here and instrument is not None:
            wanted = wanted_orders(at, position.quantity, instrument)
        found = changes(wanted, list(stops.open.values()))
        passed = crossed(at, position.quantity, price) if price is not None and wanted else None
        # While new stops cannot be placed, old ones are better than none: they close no more than is held.
        if stops.hold is not None and ctx.clock.monotonic() < stops.hold.until:
            return Changes()
        place = tuple(order for order in found.place if order.kind is not passed)
        unheard = keeper.blend is None and keeper.wanted  # the exits of its signal are not known yet
        return Changes(place=place, cancel=() if unheard else found.cancel)

    def _report_notes(self, keeper: Keeper, at: Levels) -> None:
        for note in at.notes:
            if note not in keeper.stops.noted:
                keeper.log.warning("{}", note)
                self._report(keeper, note)
        keeper.stops.set_notes(at.notes)

    # -- executing

    def _begin(self, ctx: ExecutionContext, keeper: Keeper, todo: Changes) -> None:
        if ctx.observing():
            todo = Changes()  # nothing is sent
        lookups = bool(keeper.stops.doubted) and ctx.capabilities.stops
        if not (todo or lookups) or keeper.symbol in self._tasks or ctx.stopping():
            return
        decided_at, hold = ctx.clock.monotonic(), keeper.stops.hold
        if hold is not None and decided_at < hold.until and not todo:
            return
        task = asyncio.create_task(self._orders.carry_out(ctx, keeper, todo, decided_at))
        symbol = keeper.symbol
        self._tasks[symbol] = task
        task.add_done_callback(partial(self._finished, keeper))

    def _finished(self, keeper: Keeper, task: asyncio.Task[None]) -> None:
        self._tasks.pop(keeper.symbol, None)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            if not isinstance(error, TradeEngineError | TimeoutError) or isinstance(error, PluginDefect):
                keeper.log.opt(exception=error).error("defect: stops: {}", described(error))
            if isinstance(error, StaleDecision):
                asyncio.get_running_loop().call_later(STALE_PAUSE, self._wake)
            else:
                self._held(keeper, error)
            return
        self._recovered(keeper)
        self._wake()

    def _recovered(self, keeper: Keeper) -> None:
        if keeper.stops.hold is not None:
            keeper.stops.set_hold(None)
            self._outages.well(f"{keeper.symbol} stops")

    def _held(self, keeper: Keeper, error: BaseException) -> None:
        now, engine = self._clock.monotonic(), self._targets.settings.engine
        first, last = engine.backoff_first, engine.backoff_last
        hold = hold_after(error, keeper.stops.hold, reducing=False, now=now, first=first, last=last)
        keeper.stops.set_hold(hold)
        self._read_by(hold.until)
        self._outages.failing(
            f"{keeper.symbol} stops", f"{hold.reason}; the engine watches the price meanwhile"
        )

    def _report(self, keeper: Keeper, text: str) -> None:
        self._record(
            Event(at=self._clock.now(), kind="stop", text=text, account=self._name, symbol=keeper.symbol)
        )


def persist_best(journal: Journal, best: BestPrice) -> None:
    """Persist a best price; if the disk refuses, a restart continues from the previous one."""
    journal.append(best, awaited=False, reduction=True)
