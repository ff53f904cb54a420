"""Carries out the steps of one symbol's plan: journals each intent before it is sent, resolves it, confirms the goal.

Only one execution runs per symbol. Whatever interrupts it leaves the intents open; they are resolved by looking them
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
"""Seconds for which a confirming read waits for orders that are answered at about the same time."""
CAUSED = 1.0
"""Seconds after a signal within which a target that it changes is made: a later one has another cause."""
PUSH_GRACE = 0.25
"""Seconds for which a pushed position is waited for before it is read."""


class Refused(OrderRejected):
    """Our own limits hold an order back; it never left."""


class Superseded(Exception):
    """A newer target came while the plan was being carried out: the worker decides again."""


class TooOld(Superseded):
    """The decision grew too old while it waited or was carried out: the worker decides again, from newer reads."""


class Execution:
    """One run of one plan. Raises what stopped it; returns when the goal is confirmed or has to be planned again.

    ``decided_at``: steady-clock seconds.
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
        """Take a newer decision in place of the one so far; nothing of that has been carried out."""
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
        """A correction of drift confirms nothing: what was confirmed stays what drift is measured against."""

    def age(self) -> float:
        """Return the seconds since it was decided."""
        return self._ctx.clock.monotonic() - self._decided_at

    @property
    def _expected(self) -> Decimal:
        """The position if every order sent so far does what its outcome says, or fills if that is not known."""
        return self._start + sum((self._keeper.orders.effect(intent) for intent in self._sent), ZERO)

    async def run(self) -> None:
        """Take the steps, then confirm. Raises ``Superseded``, ``OrderRejected``, ``OutcomeUnknown``, ``NotReady``."""
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
            # An order that was only acknowledged does not hold up the next: all orders of a plan have one side and add
            # up to the goal, so that in whatever order they fill, none passes beyond it (I5).
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
        """Return why nothing of this plan may be sent any more; empty when it may."""
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
        """Return why only reductions are allowed now; empty when increases are allowed, too."""
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
        """Whether no order of the plan has left."""
        return not self._sent

    @property
    def corrects(self) -> bool:
        """Whether an order that corrects drift was executed, or may have been; one that was refused changed nothing."""
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
            for intent in intents:  # they may be in the journal all the same
                self._resolve(intent, IntentState.UNSENT, reason="stopped before it was sent")
            raise
        self._ctx.beliefs.catch_up(keeper.symbol)
        for intent in intents:
            keeper.orders.journaled(intent)
        try:
            await persist_pending(
                journal, keeper, reduction=step.reduce_only
            )  # what failed in the commit before that of the intents
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
        """Check the limits at the newest price and reserve; from here to the plugin's code nothing is awaited (I14)."""
        keeper, ctx = self._keeper, self._ctx
        price = ctx.beliefs.price(intent.symbol)
        if price is None and self._decision.price is not None and not intent.reduce_only:
            raise StaleDecision(f"the price of {intent.symbol} is not recent any more")
        limits, equity = ctx.limits(), ctx.beliefs.equity()
        if isinstance(equity, Unknown) and limits.by_share and not intent.reduce_only:
            raise StaleDecision("the equity is not recent any more")
        worth = price or intent.reference_price
        after = self._expected + intent.side.sign * intent.quantity
        side = _sign(after)
        assert keeper.target is not None
        newest = keeper.blend or keeper.target  # one that repeats the target states a later price
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
            raise OutcomeUnknown("the exchange knows this client order id already") from None
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
        """Seconds since the signal arrived that led to this first order; None where something else did."""
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
        """Wait until an observation shows where the orders led, or proves that they missed: then plan again."""
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
        """Return whether a push shows where the orders led; it mostly comes at about the same time as the answer."""
        if self._keeper.orders.open or not self._ctx.beliefs.follows_positions:
            return False
        if not self._conclusive():
            await asyncio.sleep(PUSH_GRACE)
        return self._conclusive()

    def _conclusive(self) -> bool:
        return not isinstance(self._ctx.beliefs.position(self._goal.symbol), Unknown)

    def _resolve_acknowledged(self, observed: Observation[Positions]) -> None:
        """Take acknowledged orders for filled once a read that was sent after them shows where they lead."""
        shown = observed.value.get(self._goal.symbol)
        quantity = shown.quantity if shown is not None else ZERO
        if quantity == self._expected != self._start and self._ctx.beliefs.counts(
            self._goal.symbol, observed
        ):
            for intent in self._keeper.orders.acknowledged():
                self._resolve(intent, IntentState.FILLED, reason="shown by the position")

    def _match(self, observed: Observation[Positions]) -> None:
        """Let a read count that was requested after the last order left, though outcomes were learnt after it."""
        if self._sent and observed.asked_at >= self._answered_at and not self._keeper.orders.open:
            self._ctx.beliefs.agrees(self._goal.symbol, observed)

    def _conclude(self) -> None:
        """Confirm the goal when the orders led there; what others did since is drift from it.

        A correction of drift confirms what was confirmed before: that stays what drift is measured against.
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
