"""One pass over one account: read what is not known, decide about every symbol, return what may start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from te_core.accounts.context import ExecutionContext
from te_core.accounts.keeper import Keeper, PhaseKind
from te_core.accounts.outcomes import adopt_goal, confirm
from te_core.accounts.reader import Wanted
from te_core.accounts.reviews import Reviews
from te_core.accounts.schedule import Schedule
from te_core.accounts.targets import Targets
from te_core.contracts.exchange import Feed
from te_core.model.cause import Cause
from te_core.model.event import Event
from te_core.model.position import Equity, Position
from te_core.model.reading import Unknown
from te_core.model.review import Proposal
from te_core.model.target import Blend
from te_core.outage import Outages
from te_core.rules.controls import Controls
from te_core.rules.decision import NOTHING, Decision, Status, decide, observed, while_asking
from te_core.rules.facts import Facts
from te_core.rules.margin_priority import runnable
from te_core.tracing import trace_pass

ZERO = Decimal(0)
RESTING = PhaseKind.RESTING
DECIDED_AT_ONCE = 25
"""How many symbols are decided before other tasks get the event loop: a millisecond or two."""
RECHECK_AFTER = 1.0
"""Seconds until the next read if an observation was not conclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A decision that may be executed now, and its basis."""

    keeper: Keeper
    decision: Decision
    position: Position
    decided_at: float
    """Monotonic seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AsIf:
    """What to preview: the commands that would be active, and the blends that would differ."""

    controls: Controls
    blends: Mapping[str, Blend | None]


class Reconciler:
    """Makes the passes of one account.

    ``record`` records events, ``wake`` requests another pass, ``trip`` halts a symbol for a reason. ``record_changes``
    is called before anything is decided from what was read.
    """

    def __init__(
        self,
        *,
        name: str,
        book: str,
        targets: Targets,
        schedule: Schedule,
        outages: Outages,
        record: Callable[[Event], None],
        wake: Callable[[], None],
        trip: Callable[[str, str], None],
        record_changes: Callable[[ExecutionContext], None],
        reviews: Reviews,
    ) -> None:
        self.foreign: Mapping[str, Decimal] = {}
        self.failing: Mapping[str, Unknown | None] = {}
        self.increases_blocked = ""
        """Why no symbol of the account is increased now; empty if increases are allowed."""
        self.found_flat = True
        """Whether everything that a flatten covers was closed: positions that others open later are left alone."""
        self._name = name
        self._book = book
        self._targets = targets
        self._schedule = schedule
        self._outages = outages
        self._record = record
        self._wake = wake
        self._trip = trip
        self._record_changes = record_changes
        self._reviews = reviews
        self._instruments_loaded = False
        self._funding_reported = False
        self._counted: dict[str, Decimal] = {}
        """By symbol: the notional last passed to the exposure ledger."""

    def connected(self) -> None:
        """Start over on a new connection: instruments are read again."""
        self._instruments_loaded = False

    def settings_changed(self, *, symbols: bool) -> None:
        """Read the instruments of new symbols in the next pass, if the symbols changed."""
        self._instruments_loaded = self._instruments_loaded and not symbols

    async def make_pass(self, ctx: ExecutionContext) -> list[Work]:
        """Read, observe, decide. Returns what may start; nothing if positions cannot be read."""
        now, began = ctx.clock.monotonic(), ctx.clock.now()
        regular = self._schedule.begin(now)
        keepers = self._targets.keepers
        symbols = [keeper.symbol for keeper in keepers.values() if keeper.wanted or keeper.closing]
        if (
            not self._instruments_loaded
        ):  # of all symbols, so that a symbol's first signal need not wait for them
            self._instruments_loaded = True
            symbols = list(dict.fromkeys([*symbols, *self._targets.settings.symbols]))
        await self._read(ctx, symbols, everything=regular)
        positions = self.failing.get("positions")
        if positions is not None:
            self._schedule.pause(ctx.clock.monotonic() + (positions.retry_after or 0.0))
            self._undecidable(positions.reason)
            return []
        self._count_exposure(ctx)
        self._record_changes(ctx)
        if not self.found_flat and self._targets.close_foreign(self.foreign):
            self._wake()
        # The read did not cover targets that arrived while it was under way: the next pass decides them.
        ready = [k for k in keepers.values() if k.symbol in symbols or not k.wanted]
        work = []
        for number, keeper in enumerate(ready, 1):
            if (one := self._decide(ctx, keeper)) is not None:
                work.append(one)
            if number % DECIDED_AT_ONCE == 0:
                await ctx.turn()
        beginning = runnable([one.decision for one in work], self._equity(ctx))
        for index in beginning:
            work[index].keeper.waits_for_others(waiting=len(beginning) < len(work))
        begun = [work[index] for index in beginning]
        for one in begun:
            trace_pass(ctx.tracer, one.keeper.target, began, self._name, drift=one.decision.drift)
        return begun

    async def preview(self, ctx: ExecutionContext, as_if: AsIf | None = None) -> Mapping[str, Decision] | str:
        """Read everything and return each symbol's next decision, or why there is none. Sends and stores nothing.

        ``as_if``: the commands that would be active, and the blends that the signals would then have.
        """
        keepers = list(self._targets.keepers.values())
        if as_if is None:
            keepers = [keeper for keeper in keepers if keeper.target is not None]
        else:
            wanted = [symbol for symbol, blend in as_if.blends.items() if blend is not None and blend.depth]
            new = [symbol for symbol in wanted if symbol not in self._targets.keepers]
            await ctx.reader.load_instruments(new)
            keepers += map(self._targets.unregistered, new)
        symbols = tuple(keeper.symbol for keeper in keepers)
        failures = await ctx.reader.read(Wanted(positions=True, equity=True, prices=symbols))
        positions = failures.get("positions")
        if positions is not None:
            return positions.reason
        if as_if is None:
            return {
                keeper.symbol: self._shown(decide(self._facts(ctx, keeper)), keeper) for keeper in keepers
            }
        known = {keeper.symbol for keeper in keepers}
        keepers += [self._targets.unregistered(s) for s in ctx.beliefs.held() if s not in known]
        decisions = {keeper.symbol: self._decision_as_if(ctx, keeper, as_if) for keeper in keepers}
        return {symbol: decision for symbol, decision in decisions.items() if decision is not None}

    def _decision_as_if(self, ctx: ExecutionContext, keeper: Keeper, as_if: AsIf) -> Decision | None:
        blend = as_if.blends.get(keeper.symbol, keeper.blend)
        held = self._targets.standing(keeper, as_if.controls, blend)
        target = self._targets.as_if(keeper, held, blend)
        if held.foreign and not keeper.ours:
            target = self._targets.foreign_target(keeper)
        if target is None:
            return None
        left = not keeper.reached or keeper.drifted
        freed = bool(self._targets.observing and not self._targets.observing_by(as_if.controls))
        freed = freed or bool(keeper.standing.halt and not held.halt)
        freed = freed or held.accepted != keeper.standing.accepted
        if freed and keeper.target is target and left:
            target = replace(target, revision=target.revision + 1)
        facts = replace(self._facts(ctx, keeper), target=target, halt=held.halt, foreign=held.foreign)
        facts = replace(facts, accepted=held.accepted)
        return self._shown(decide(facts), keeper, as_if.controls)

    def _shown(self, decision: Decision, keeper: Keeper, controls: Controls | None = None) -> Decision:
        """Return a decision as a preview shows it: with its steps, even if they would not be sent."""
        by = self._targets.controls if controls is None else controls
        return observed(decision, keeper.symbol) if self._targets.observing_by(by) else decision

    # -- reading

    async def _read(self, ctx: ExecutionContext, symbols: Sequence[str], *, everything: bool) -> None:
        missing = await ctx.reader.load_instruments(symbols)
        wanted = self._wanted(ctx, symbols, everything=everything)
        # Prices that need not be read are pushed: an earlier failed read no longer matters.
        results = {"prices": None, **await ctx.reader.read(wanted), "instruments": missing}
        urgent = any(keeper.may_reduce for keeper in self._targets.keepers.values())
        if self._targets.settings.limits.funding_guards:
            await ctx.reader.load_funding(self._targets.settings.symbols or symbols, self._wake)
            if not ctx.reader.tells_funding and not self._funding_reported:
                self._funding_reported = True
                text = "limits.funding_guard has no effect here: the exchange plugin does not report funding"
                self._record(Event(at=self._targets.now(), kind="limited", text=text, account=self._name))
        self._schedule.read(
            ctx.clock.monotonic(),
            results,
            self._targets.settings.engine,
            urgent=urgent,
            regular=wanted.positions and wanted.equity,
        )
        self.failing = {**self.failing, **results}

    def _wanted(self, ctx: ExecutionContext, symbols: Sequence[str], *, everything: bool) -> Wanted:
        """Return what must be read: what no stream covers, and what is unknown despite a stream."""
        beliefs = ctx.beliefs
        unwatched = not beliefs.told_of_changes
        positions = everything or unwatched
        equity = everything or isinstance(beliefs.equity(), Unknown) or beliefs.equity_ends_soon
        equity = equity or beliefs.equity_is_old or (unwatched and not beliefs.follows(Feed.EQUITY))
        followed = beliefs.follows(Feed.PRICES)
        # Positions that are not ours count towards limits, too, at their current price.
        priced = dict.fromkeys(
            [*symbols, *(self.foreign if self._targets.settings.limits.counts_others else ())]
        )
        return Wanted(
            positions=positions or any(isinstance(beliefs.position(symbol), Unknown) for symbol in symbols),
            equity=equity,
            prices=tuple(s for s in priced if not followed or beliefs.price(s) is None),
        )

    def _count_exposure(self, ctx: ExecutionContext) -> None:
        """Count the positions in the exposure ledger, except where one of our orders is under way or newer."""
        held, keepers = ctx.beliefs.held(), self._targets.keepers
        ours = {symbol for symbol, keeper in keepers.items() if keeper.ours}
        self.foreign = {symbol: p.quantity for symbol, p in held.items() if symbol not in ours}
        for symbol in dict.fromkeys([*keepers, *self._counted, *held]):
            position = held.get(symbol)
            price = ctx.beliefs.last_price(symbol) or (position.entry_price if position else None) or ZERO
            worth = position.quantity * price if position else ZERO
            keeper = keepers.get(symbol)
            if self._counted.get(symbol) == worth and keeper is not None and keeper.phase.kind is RESTING:
                continue
            if keeper is not None and (
                keeper.task is not None or isinstance(ctx.beliefs.position(symbol), Unknown)
            ):
                continue
            self._counted[symbol] = worth
            ctx.ledger.observe(self._book, symbol, worth)

    # -- deciding

    def _undecidable(self, reason: str) -> None:
        for keeper in self._targets.keepers.values():
            if keeper.target is not None:
                keeper.undecidable(reason)

    def _equity(self, ctx: ExecutionContext) -> Equity | Unknown:
        """Return the believed equity; if it is not pushed, it is unknown while reading it fails."""
        equity, failed = ctx.beliefs.equity(), self.failing.get("equity")
        unknown = isinstance(equity, Unknown) or not ctx.beliefs.follows(Feed.EQUITY)
        return failed if failed is not None and unknown else equity

    def _price(self, ctx: ExecutionContext, symbol: str) -> Decimal | None:
        """Return the believed price; if it is not pushed, it is None while reading prices fails."""
        if self.failing.get("prices") is not None and not ctx.beliefs.follows(Feed.PRICES):
            return None
        return ctx.beliefs.price(symbol)

    def _decide(self, ctx: ExecutionContext, keeper: Keeper) -> Work | None:
        if keeper.task is not None or keeper.target is None or keeper.orders.open:
            return None
        now, position = ctx.clock.monotonic(), ctx.beliefs.position(keeper.symbol)
        if isinstance(position, Unknown):
            keeper.undecidable(position.reason)
            self._schedule.read_by(now + RECHECK_AFTER)
            return None
        equity, basis = self._equity(ctx), self._basis(ctx, keeper, position)
        wallet = None if isinstance(equity, Unknown) else equity.wallet
        if keeper.rests_on(basis):
            keeper.calm(basis, wallet)
            return None
        keeper.observe_mode(position)
        keeper.watch_for_liquidation(position, wallet)
        decision = self._decision(ctx, keeper)
        more = decision.drift or decision.plan.increases
        if keeper.stops.doubted and more and not decision.plan.reduces:
            keeper.undecidable("it is still unknown whether its stop was filled")
            return None
        if not decision.asking:
            self._report(keeper, decision)
        self._apply(ctx, keeper, decision, position)
        if decision.status is Status.AT_TARGET and self._targets.settings.policy.rebalance == "on_change":
            keeper.calm(self._basis(ctx, keeper, position), wallet)
        return self._work(ctx, keeper, decision)

    def _basis(self, ctx: ExecutionContext, keeper: Keeper, position: Position) -> object:
        """Return the basis on which a symbol rests at its target: while it is equal, deciding again changes nothing."""
        assert keeper.target is not None
        shown = (position.quantity, position.leverage, position.margin_mode, position.obstacle)
        halted = bool(keeper.standing.halt)
        return (
            keeper.target.revision,
            halted,
            shown,
            self._targets.settings,
            ctx.reader.instrument(keeper.symbol),
        )

    def decide_again(self, ctx: ExecutionContext, keeper: Keeper) -> Work | None:
        """Decide again about a symbol whose decision waited; None if nothing may start any more."""
        if keeper.target is None or keeper.orders.open:
            return None
        decision = self._decision(ctx, keeper)
        work = self._work(ctx, keeper, decision)
        if work is not None:
            self._apply(ctx, keeper, decision, work.position)
        return work

    def _decision(self, ctx: ExecutionContext, keeper: Keeper) -> Decision:
        facts = self._facts(ctx, keeper)
        decision = self._unblocked(decide(facts))
        if not self._targets.observing:
            return self._reviewed(facts, decision)
        if not decision.plan.steps:
            return decision
        held = keeper.position.quantity if keeper.position is not None else ZERO
        return replace(observed(decision, keeper.symbol), plan=NOTHING, quantity=held)

    def _reviewed(self, facts: Facts, decision: Decision) -> Decision:
        """Submit an increase to the risk checks before it is planned; without risk checks, return it unchanged."""
        if self._reviews.nobody:
            return decision
        free = decision if facts.allowance is None else decide(replace(facts, allowance=None))
        if not free.plan.increases:
            return decision
        stands = self._reviews.standing(_proposal(self._name, facts, free))
        if stands.waiting_for:
            return while_asking(facts, f"waiting for risk check {', '.join(stands.waiting_for)}")
        if stands.allowance == facts.allowance:
            return decision
        return self._unblocked(decide(replace(facts, allowance=stands.allowance)))

    def _work(self, ctx: ExecutionContext, keeper: Keeper, decision: Decision) -> Work | None:
        position = keeper.known_position()
        if isinstance(position, Unknown) or not decision.plan.steps or not keeper.may_begin(decision):
            return None
        return Work(keeper=keeper, decision=decision, position=position, decided_at=ctx.clock.monotonic())

    def _unblocked(self, decision: Decision) -> Decision:
        if not self.increases_blocked or not decision.plan.increases or decision.plan.reduces:
            return decision
        return replace(decision, status=Status.WAITING, reason=self.increases_blocked, plan=NOTHING)

    def _facts(self, ctx: ExecutionContext, keeper: Keeper) -> Facts:
        position, settings = keeper.known_position(), self._targets.settings
        target, equity = keeper.target or self._targets.foreign_target(keeper), self._equity(ctx)
        side = (target.depth > 0) - (target.depth < 0)
        return Facts(
            target=target,
            goal=keeper.goal,
            confirmation=keeper.confirmation,
            position=position,
            equity=equity,
            price=self._price(ctx, keeper.symbol),
            instrument=ctx.reader.instrument(keeper.symbol),
            policy=settings.policy,
            limits=settings.limits,
            leverage_in_order=ctx.capabilities.leverage_in_order,
            ceiling=ctx.ledger.ceiling(
                self._book,
                keeper.symbol,
                settings.limits,
                side=side,
                equity=None if isinstance(equity, Unknown) else settings.policy.value_of(equity),
            ),
            others=ctx.others(self._book, keeper.symbol),
            leverage_tries=keeper.mode.tries,
            leverage_tried=keeper.mode.tried,
            disturbed=ctx.beliefs.evidence(keeper.symbol).disturbed,
            liquidated=keeper.liquidated,
            goal_expired=keeper.goal_expired,
            may_correct=keeper.may_correct,
            halt=keeper.standing.halt or ctx.no_increases(keeper.symbol, side),
            foreign=keeper.standing.foreign and not self.found_flat,
            accepted=keeper.standing.accepted,
            now=ctx.clock.now(),
            allowance=None if self._reviews.nobody else self._reviews.known(keeper.symbol, target.revision),
        )

    def _apply(self, ctx: ExecutionContext, keeper: Keeper, decision: Decision, position: Position) -> None:
        """Store what a decision determined."""
        goal = decision.goal
        if goal is not None and decision.quantity is not None:
            # Counted before the next symbol is decided, so that two symbols never use the same room under a limit.
            worth = decision.quantity * (goal.price if not decision.sized else decision.price or goal.price)
            ctx.ledger.reserve_goal(self._book, keeper.symbol, worth)
        if goal is not None and decision.confirm:
            if decision.sized:
                adopt_goal(ctx, keeper, goal)
            confirm(ctx, keeper, goal, position.quantity)
            self._outages.well(keeper.symbol)
        keeper.decided(decision)
        if decision.resize:
            self._targets.size_again(keeper, decision.resize, Cause.DRIFT)
            self._wake()

    def _report(self, keeper: Keeper, decision: Decision) -> None:
        """Record each new condition once: waiting, blocked, limited, drifting, given up, or what would be done."""
        if decision.status is Status.OBSERVING:
            if keeper.is_news("observing"):
                self._record_event(keeper, "observing", decision.reason)
        elif decision.drift:
            news = keeper.is_news("drift")
            if not keeper.may_correct and keeper.gives_up_correcting():
                self._record_event(keeper, "drift", f"drift: {decision.reason}")
                self._trip(keeper.symbol, "corrected too often; someone else may be trading this symbol")
            elif news:
                how = "correcting it" if decision.plan.steps else "not corrected"
                self._record_event(keeper, "drift", f"drift: {decision.reason}; {how}")
        elif decision.limited:
            if keeper.is_news(f"limited by {decision.limit}"):
                self._record_event(keeper, "limited", f"limited: {decision.limited}")
        elif decision.status is Status.AT_TARGET:
            keeper.nothing_to_report()
        elif decision.status in (Status.WAITING, Status.BLOCKED) and decision.reason != keeper.reason:
            self._record_event(keeper, decision.status, f"{decision.status}: {decision.reason}")

    def _record_event(self, keeper: Keeper, kind: str, text: str) -> None:
        keeper.log.warning("{}", text)
        self._record(
            Event(at=self._targets.now(), kind=kind, text=text, account=self._name, symbol=keeper.symbol)
        )


def _proposal(account: str, facts: Facts, decision: Decision) -> Proposal:
    """Return the proposal that risk checks review for a decision that increases a position."""
    assert decision.goal is not None
    assert decision.quantity is not None
    position, target, equity = facts.position, facts.target, facts.equity
    return Proposal(
        account=account,
        symbol=target.symbol,
        held=ZERO if isinstance(position, Unknown) else position.quantity,
        quantity=decision.quantity,
        price=facts.price,
        equity=None if isinstance(equity, Unknown) else facts.policy.value_of(equity),
        leverage=decision.goal.leverage,
        margin_mode=decision.goal.margin_mode,
        depth=target.depth,
        revision=target.revision,
        reason=target.reason,
        at=facts.now,
        terms=target.terms,
    )
