"""Executes the steps of one symbol's plan: journals each intent before it is sent, resolves it, confirms the goal.

Only one execution runs per symbol. If it is interrupted, its intents stay open; they are resolved by looking them
up before anything else is sent for the symbol (I3).
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from te_core.accounts.context import ExecutionContext
from te_core.accounts.dispatch import StaleDecision, dispatching, too_old
from te_core.accounts.keeper import Keeper
from te_core.accounts.outcomes import (
    CALL_TIMEOUT,
    FIRST_RETRY,
    LAST_RETRY,
    adopt_goal,
    answered,
    confirm,
    resolve,
    resolve_by_report,
    resolve_open,
)
from te_core.accounts.pending_writes import persist_pending
from te_core.accounts.reader import Positions
from te_core.errors import (
    AuthError,
    DuplicateClientOrderId,
    InsufficientMargin,
    NotReady,
    OrderRejected,
    OutcomeUnknown,
)
from te_core.model.cause import Cause
from te_core.model.observation import Observation
from te_core.model.order import Intent, IntentState, OrderReport, OrderStatus
from te_core.model.position import Position
from te_core.model.reading import Unknown
from te_core.model.target import Goal
from te_core.rules.client_order_ids import client_order_id
from te_core.rules.decision import Decision
from te_core.rules.limits import Exposure, OrderCheck
from te_core.rules.liquidation import liquidation_ceiling
from te_core.rules.plan import LeverageStep, MarginModeStep, OrderStep, at_target
from te_core.tracing import Span, alert_of

ZERO = Decimal(0)
BATCH_WINDOW = 0.03
"""Seconds that a confirming read waits, to be shared with orders that are answered at about the same time."""
CAUSED = 1.0
"""Seconds after a signal within which it counts as a new target's cause: a later target has another cause."""
PUSH_GRACE = 0.25
"""Seconds to wait for a pushed position before reading it."""


class Refused(OrderRejected):
    """Our own limits refused an order; it was never sent."""


class Superseded(Exception):
    """A newer target arrived while the plan was being executed: the worker decides again."""


class TooOld(Superseded):
    """The decision became too old while it waited or was executed: the worker decides again, from newer reads."""


class Execution:
    """One run of one plan. Raises the error that stopped it; returns once the goal is confirmed or must be replanned.

    ``decided_at``: monotonic seconds.
    """

    def __init__(
        self, ctx: ExecutionContext, keeper: Keeper, decision: Decision, position: Position, decided_at: float
    ) -> None:
        self._ctx = ctx
        self._keeper = keeper
        self._sent: list[Intent] = []
        self.renew(decision, position, decided_at)
        keeper.orders.begin_execution()

    def renew(self, decision: Decision, position: Position, decided_at: float) -> None:
        """Replace the decision by a newer one; nothing of the earlier one has been executed."""
        assert decision.goal is not None
        assert decision.quantity is not None
        self._decision = decision
        self._decided_at = decided_at
        self._goal: Goal = decision.goal
        self._quantity = decision.quantity
        self._held = position
        self._start = position.quantity
        self._answered_at = decided_at
        self.reducing = self._reduces_now = decision.plan.reduces
        self.confirms = not decision.drift or decision.sized
        """A correction of drift confirms nothing: drift stays measured against the earlier confirmation."""

    def age(self) -> float:
        """Return the seconds since the decision."""
        return self._ctx.clock.monotonic() - self._decided_at

    @property
    def _expected(self) -> Decimal:
        """The position after every order sent so far: by its outcome, or as if filled while that is unknown."""
        return self._start + sum((self._keeper.orders.effect(intent) for intent in self._sent), ZERO)

    async def run(self) -> None:
        """Execute and confirm. Raises ``Superseded``, ``OrderRejected``, ``OutcomeUnknown``, ``NotReady``."""
        try:
            await self._take_steps()
        except StaleDecision as error:
            raise (TooOld if self._is_old else Superseded)(error.reason) from error
        except OrderRejected as error:
            if not isinstance(error, Refused | InsufficientMargin):
                self._ctx.reader.refresh_instrument(self._goal.symbol)
            raise
        await self._confirm()

    async def _take_steps(self) -> None:
        self._stop_if_superseded()
        if self._decision.sized:
            adopt_goal(self._ctx, self._keeper, self._goal)
        for step in self._decision.plan.steps:
            # An order that was only acknowledged does not block the next: all orders of a plan have one side and add
            # up to the goal, so in whatever order they fill, none overshoots it (I5).
            self._reduces_now = isinstance(step, OrderStep) and step.reduce_only
            self._stop_if_superseded()
            match step:
                case OrderStep():
                    with self._span(step):
                        await self._order(step)
                case LeverageStep():
                    await self._set_leverage(step)
                case MarginModeStep():
                    await self._set_margin_mode(step)

    def _span(self, step: OrderStep) -> Span:
        ctx, symbol = self._ctx, self._goal.symbol
        alert = alert_of(self._keeper.target, drift=self._decision.drift)
        return ctx.tracer.of_alert("order", alert, account=ctx.name, symbol=symbol, side=step.side)

    def _refusal(self) -> str:
        """Return why nothing more of this plan may be sent; empty if it may."""
        if why := self._ctx.observing():
            return f"observing: {why}"
        target = self._keeper.target
        if target is None or target.revision != self._goal.revision:
            return "the target has changed"
        if self._ctx.stopping():
            return "the engine is stopping"
        if not self._reduces_now and (halted := self._halted):
            return halted
        return too_old(self._decided_at, self._ctx.clock)

    @property
    def _halted(self) -> str:
        """Why only reductions are allowed now; empty if increases are allowed, too."""
        return self._keeper.standing.halt or self._ctx.no_increases(
            self._keeper.symbol, _sign(self._goal.quantity)
        )

    def _stop_if_superseded(self) -> None:
        if reason := self._refusal():
            raise (TooOld if self._is_old else Superseded)(reason)

    @property
    def _is_old(self) -> bool:
        return bool(too_old(self._decided_at, self._ctx.clock))

    @property
    def sent_nothing(self) -> bool:
        """Whether no order of the plan has been sent."""
        return not self._sent

    @property
    def corrects(self) -> bool:
        """Whether an order that corrects drift was executed, or may have been; a refused one changed nothing."""
        return self._decision.drift and any(self._keeper.orders.effect(intent) for intent in self._sent)

    async def _set_margin_mode(self, step: MarginModeStep) -> None:
        self._keeper.mode_requested(leverage=False, margin_mode=True)
        with dispatching(self._refusal):
            async with answered("set_margin_mode()"):
                await self._ctx.account.set_margin_mode(self._goal.symbol, step.margin_mode)
        self._keeper.mode_set(margin_mode=step.margin_mode)
        self._ctx.beliefs.mode_set(self._goal.symbol)

    async def _set_leverage(self, step: LeverageStep) -> None:
        self._keeper.mode_requested(leverage=True, margin_mode=False)
        with dispatching(self._refusal):
            async with answered("set_leverage()"):
                await self._ctx.account.set_leverage(self._goal.symbol, step.leverage, step.margin_mode)
        self._keeper.mode_set(leverage=step.leverage, margin_mode=step.margin_mode)
        self._ctx.beliefs.mode_set(self._goal.symbol)
        self._keeper.log.info("leverage set to {}", step.leverage)

    async def _order(self, step: OrderStep) -> None:
        keeper, journal = self._keeper, self._ctx.journal
        await persist_pending(journal, keeper, reduction=step.reduce_only)
        intents = self._intents(step, keeper.orders.next_step())
        try:
            await journal.append(*intents, reduction=step.reduce_only)
        except asyncio.CancelledError:
            for intent in intents:  # they may be in the journal nevertheless
                self._resolve(intent, IntentState.UNSENT, reason="stopped before it was sent")
            raise
        self._ctx.beliefs.catch_up(keeper.symbol)
        for intent in intents:
            keeper.orders.journaled(intent)
        try:
            await persist_pending(
                journal, keeper, reduction=step.reduce_only
            )  # what failed in the commit before the one of the intents
            for intent in intents:
                await self._ctx.turn()
                self._stop_if_superseded()
                self._admit(intent)
                await self._send(intent)
        finally:
            self._drop_unsent(intents)

    def _intents(self, step: OrderStep, number: int) -> list[Intent]:
        ctx, goal, target = self._ctx, self._goal, self._keeper.target
        assert target is not None
        cause, caused_at = (
            (Cause.DRIFT, ctx.clock.now()) if self._decision.drift else (target.cause, target.caused_at)
        )
        return [
            Intent(
                client_order_id=client_order_id(
                    ctx.journal.journal_id,
                    goal.account,
                    goal.symbol,
                    goal.revision,
                    number,
                    chunk,
                    form=ctx.capabilities.client_order_ids,
                ),
                account=goal.account,
                symbol=goal.symbol,
                revision=goal.revision,
                step=number,
                chunk=chunk,
                side=step.side,
                quantity=quantity,
                reduce_only=step.reduce_only,
                leverage=goal.leverage,
                margin_mode=goal.margin_mode,
                reference_price=self._decision.price or goal.price,
                created_at=ctx.clock.now(),
                cause=cause,
                caused_at=caused_at,
            )
            for chunk, quantity in enumerate(step.chunks)
        ]

    def _admit(self, intent: Intent) -> None:
        """Check the limits at the newest price and reserve (I14).

        The plugin's code runs one iteration of the event loop later; ``GuardedAccount`` repeats the checks of halts and
        age there.
        """
        keeper, ctx = self._keeper, self._ctx
        price = ctx.beliefs.price(intent.symbol)
        if price is None and self._decision.price is not None and not intent.reduce_only:
            raise StaleDecision(f"the price of {intent.symbol} is no longer recent")
        limits, equity = ctx.limits(), ctx.beliefs.equity()
        if isinstance(equity, Unknown) and limits.by_share and not intent.reduce_only:
            raise StaleDecision("the equity is no longer recent")
        worth = price or intent.reference_price
        after = self._expected + intent.side.sign * intent.quantity
        side = _sign(after)
        assert keeper.target is not None
        newest = keeper.blend or keeper.target  # a blend that repeats the target has a later price
        check = OrderCheck(
            notional=intent.quantity * worth,
            notional_after=abs(after) * worth,
            reduce_only=intent.reduce_only,
            enabled=ctx.enabled(),
            leverage=intent.leverage,
            price=price,
            signal_price=newest.price,
            orders_last_minute=0,
            exposure=Exposure(),
            side=side,
            equity=None if isinstance(equity, Unknown) else ctx.policy().value_of(equity),
            liquidation=liquidation_ceiling(
                limits.liquidation_distance,
                side=side,
                held=self._held,
                price=price,
                leverage=intent.leverage,
                margin_mode=intent.margin_mode,
                equity=None if isinstance(equity, Unknown) else equity.total,
                others=ctx.others(intent.account, intent.symbol),
                instrument=ctx.reader.instrument(intent.symbol),
            ),
            halted=self._halted,
        )
        reason = ctx.ledger.admit(intent.account, intent.symbol, check, limits)
        if reason is not None:
            self._resolve(intent, IntentState.REFUSED, reason=reason)
            raise Refused(reason)

    async def _send(self, intent: Intent) -> None:
        keeper, ctx = self._keeper, self._ctx
        self.reducing = intent.reduce_only
        if ctx.capabilities.leverage_in_order and not intent.reduce_only:
            keeper.mode_in_order(intent.leverage, intent.margin_mode)
        keeper.orders.sent(intent, ctx.clock.monotonic())
        if not self._sent and (seconds := self._since_signal()) is not None:
            ctx.metrics.ordered(ctx.name, seconds)
        ctx.beliefs.sent(intent.symbol)
        self._sent.append(intent)
        try:
            report = await self._placed(intent)
        except DuplicateClientOrderId:
            raise OutcomeUnknown("the exchange already knows this client order id") from None
        except OrderRejected as error:
            self._resolve(intent, IntentState.REJECTED, reason=str(error))
            raise
        except (NotReady, AuthError) as error:
            self._sent.remove(intent)
            self._resolve(intent, IntentState.UNSENT, reason=str(error))
            raise
        except TimeoutError:
            raise OutcomeUnknown(
                f"place_order(): no answer within {CALL_TIMEOUT.total_seconds():g} s"
            ) from None
        finally:
            ctx.beliefs.answered(intent.symbol)
            self._answered_at = ctx.clock.monotonic()
            if intent.client_order_id in keeper.orders.open:
                keeper.orders.sent(intent, ctx.clock.monotonic())
        self._accept(intent, report)

    def _since_signal(self) -> float | None:
        """Return the seconds since the signal that caused this first order; None if something else caused it."""
        target = self._keeper.target
        if target is None or self._keeper.orders.last_step != 1:
            return None
        received = max((term.heard_at for term in target.terms if term.heard_at is not None), default=None)
        if received is None or (target.created_at - received).total_seconds() > CAUSED:
            return None
        return (self._ctx.clock.now() - received).total_seconds()

    async def _placed(self, intent: Intent) -> OrderReport:
        order = intent.client_order_id
        with self._ctx.tracer.begin("answer", order=order), dispatching(self._refusal):
            async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
                return await self._ctx.account.place_order(intent.request())

    def _accept(self, intent: Intent, report: OrderReport) -> None:
        if report.status is OrderStatus.OPEN:
            self._keeper.orders.acknowledge(intent)
            return
        resolve_by_report(self._ctx, self._keeper, intent, report)
        if report.status is not OrderStatus.FILLED:
            raise OrderRejected(report.reason or f"the exchange ended the order as {report.status}")

    def _drop_unsent(self, intents: list[Intent]) -> None:
        for intent in intents:
            if intent.client_order_id in self._keeper.orders.open and not self._keeper.orders.was_sent(
                intent
            ):
                self._resolve(intent, IntentState.UNSENT, reason="no longer needed")

    def _resolve(self, intent: Intent, outcome: IntentState, *, reason: str) -> None:
        resolve(self._ctx, self._keeper, intent, outcome, reason=reason)

    # -- confirming

    async def _confirm(self) -> None:
        """Wait until an observation shows where the orders led, or proves that they missed the goal."""
        ctx, keeper = self._ctx, self._keeper
        deadline = ctx.clock.monotonic() + ctx.window
        pause = FIRST_RETRY
        if not await self._push_shows():
            while True:
                batch_window = BATCH_WINDOW if ctx.busy() > 1 else 0
                observed = await ctx.reader.positions(batch_window=batch_window)
                await ctx.turn()
                if not isinstance(observed, Unknown):
                    self._resolve_acknowledged(observed)
                    if keeper.orders.open:
                        await resolve_open(ctx, keeper)
                    self._match(observed)
                    if self._conclusive() or ctx.clock.monotonic() >= deadline:
                        break
                asked = (observed.retry_after or 0.0) if isinstance(observed, Unknown) else 0.0
                if isinstance(observed, Unknown) and ctx.clock.monotonic() + asked >= deadline:
                    raise NotReady(observed.reason, retry_after=observed.retry_after)
                await asyncio.sleep(max(pause, asked))
                pause = min(pause * 2, LAST_RETRY)
        self._conclude()

    async def _push_shows(self) -> bool:
        """Return whether a push shows where the orders led; it usually arrives at about the time of the response."""
        if self._keeper.orders.open or not self._ctx.beliefs.follows_positions:
            return False
        if not self._conclusive():
            await asyncio.sleep(PUSH_GRACE)
        return self._conclusive()

    def _conclusive(self) -> bool:
        return not isinstance(self._ctx.beliefs.position(self._goal.symbol), Unknown)

    def _resolve_acknowledged(self, observed: Observation[Positions]) -> None:
        """Resolve acknowledged orders as filled once a read requested after them shows the expected position."""
        shown = observed.value.get(self._goal.symbol)
        quantity = shown.quantity if shown is not None else ZERO
        if quantity == self._expected != self._start and self._ctx.beliefs.counts(
            self._goal.symbol, observed
        ):
            for intent in self._keeper.orders.acknowledged():
                self._resolve(intent, IntentState.FILLED, reason="shown by the position")

    def _match(self, observed: Observation[Positions]) -> None:
        """Accept a read that was requested after the last order was sent, even if outcomes were learnt after it."""
        if self._sent and observed.asked_at >= self._answered_at and not self._keeper.orders.open:
            self._ctx.beliefs.agrees(self._goal.symbol, observed)

    def _conclude(self) -> None:
        """Confirm the goal if the orders led there; what others did since is drift from it.

        A correction of drift confirms the earlier confirmation again: drift stays measured against that.
        """
        keeper, step = self._keeper, self._goal.quantity_step
        position = self._ctx.beliefs.position(self._goal.symbol)
        if isinstance(position, Unknown) or not at_target(self._expected, self._quantity, step):
            return
        keeper.observe_mode(position)
        shown = position.quantity
        reached = shown if at_target(shown, self._quantity, step) else self._expected
        if self.confirms:
            confirm(self._ctx, keeper, self._goal, reached)
        elif keeper.confirmation is not None and at_target(reached, keeper.confirmation.quantity, step):
            confirm(self._ctx, keeper, self._goal, keeper.confirmation.quantity)


def _sign(quantity: Decimal) -> int:
    return (quantity > 0) - (quantity < 0)
