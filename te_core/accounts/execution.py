"""Takes the steps of one symbol's plan: journals each intent before it is sent, settles it, confirms the goal.

Only one execution runs per symbol. Whatever interrupts it leaves the intents open; they are settled by looking them
up before anything else is sent for the symbol (I3).
"""

from __future__ import annotations

import asyncio
import math
from decimal import Decimal

from te_core.accounts.context import Surroundings
from te_core.accounts.keeper import SymbolState
from te_core.accounts.outcomes import (
    CALL_TIMEOUT,
    LOOK_AGAIN_FIRST,
    LOOK_AGAIN_LAST,
    confirm,
    keep_goal,
    settle,
    settle_by_report,
    settle_open,
)
from te_core.accounts.pending_writes import catch_up
from te_core.errors import (
    AuthError,
    DuplicateClientOrderId,
    InsufficientMargin,
    NotReady,
    OrderRejected,
    OutcomeUnknown,
)
from te_core.model.order import Intent, IntentState, OrderReport, OrderStatus
from te_core.model.position import Position
from te_core.model.reading import Unknown
from te_core.model.snapshot import Holdings
from te_core.model.target import Goal
from te_core.rules.client_order_ids import client_order_id
from te_core.rules.decision import Decision, position_of
from te_core.rules.limits import Exposure, OrderCheck
from te_core.rules.plan import LeverageStep, MarginModeStep, OrderStep, at_target

ZERO = Decimal(0)
TOGETHER = 0.03
"""Seconds for which a confirming read waits for orders that are answered at about the same time."""


class Refused(OrderRejected):
    """Our own limits hold an order back; it never left."""


class Superseded(Exception):
    """A newer target came while the plan was being carried out; the worker plans again."""


class Execution:
    """One run of one plan. Raises what stopped it; returns when the goal is confirmed or has to be planned again."""

    def __init__(self, around: Surroundings, state: SymbolState, decision: Decision) -> None:
        assert decision.goal is not None
        self._around = around
        self._state = state
        self._decision = decision
        self._goal: Goal = decision.goal
        self._start = state.position.quantity if state.position else ZERO
        self._sent: list[Intent] = []
        state.fills.clear()
        patience = around.capabilities.settle_after.total_seconds()
        state.trail = state.trail.onwards(self._start, around.clock.monotonic() - patience)

    @property
    def _expected(self) -> Decimal:
        """The position if every order sent so far does what its outcome says, or fills if that is not known."""
        fills = self._state.fills
        return self._start + sum(
            (intent.side.sign * fills.get(intent.client_order_id, intent.quantity) for intent in self._sent),
            ZERO,
        )

    async def run(self) -> None:
        """Take the steps, then confirm. Raises ``Superseded``, ``OrderRejected``, ``OutcomeUnknown``, ``NotReady``."""
        try:
            await self._take_steps()
        except OrderRejected as error:
            if not isinstance(error, Refused | InsufficientMargin):
                self._around.reader.refresh_instrument(self._goal.symbol)
            raise
        await self._confirm()

    async def _take_steps(self) -> None:
        self._state.reducing = self._decision.plan.reduces
        if self._decision.sized:
            keep_goal(self._around, self._state, self._goal)
        for step in self._decision.plan.steps:
            # An order that was only acknowledged does not hold up the next: all orders of a plan have one side and add
            # up to the goal, so that in whatever order they fill, none passes beyond it (I5).
            self._stop_if_superseded()
            match step:
                case OrderStep():
                    await self._order(step)
                case LeverageStep():
                    await self._set_leverage(step)
                case MarginModeStep():
                    await self._set_margin_mode(step)

    def _stop_if_superseded(self) -> None:
        target = self._state.target
        if target is None or target.revision != self._goal.revision or self._around.stopping():
            raise Superseded

    async def _set_margin_mode(self, step: MarginModeStep) -> None:
        self._state.margin_mode = None  # not known until it is answered
        async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
            await self._around.account.set_margin_mode(self._goal.symbol, step.margin_mode)
        self._state.margin_mode = step.margin_mode

    async def _set_leverage(self, step: LeverageStep) -> None:
        self._state.leverage = None  # not known until it is answered
        async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
            await self._around.account.set_leverage(self._goal.symbol, step.leverage, step.margin_mode)
        self._state.leverage = Decimal(step.leverage)
        self._state.leverage_tries += 1
        self._state.margin_mode = step.margin_mode
        self._state.log.info("leverage set to {}", step.leverage)

    async def _order(self, step: OrderStep) -> None:
        state = self._state
        await catch_up(self._around.journal, state)
        state.last_step = number = state.last_step + 1
        intents = self._intents(step, number)
        try:
            await self._around.journal.append(*intents)
        except asyncio.CancelledError:
            for intent in intents:  # they are in the journal all the same
                self._settle(intent, IntentState.UNSENT, reason="stopped before it was sent")
            raise
        state.open.update((intent.client_order_id, intent) for intent in intents)
        try:
            await catch_up(
                self._around.journal, state
            )  # what failed in the commit before that of the intents
            for intent in intents:
                self._stop_if_superseded()
                self._admit(intent)
                await self._send(intent)
        finally:
            self._drop_unsent(intents)

    def _intents(self, step: OrderStep, number: int) -> list[Intent]:
        around, goal = self._around, self._goal
        return [
            Intent(
                client_order_id=client_order_id(
                    around.journal.journal_id, goal.account, goal.symbol, goal.revision, number, chunk
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
                created_at=around.clock.now(),
            )
            for chunk, quantity in enumerate(step.chunks)
        ]

    def _admit(self, intent: Intent) -> None:
        """Check the limits and reserve; from here to the exchange's own code nothing is awaited (I14)."""
        after = abs(self._expected + intent.side.sign * intent.quantity)
        assert self._state.target is not None
        newest = self._state.wish or self._state.target  # one that repeats the target states a later price
        check = OrderCheck(
            notional=intent.quantity * intent.reference_price,
            notional_after=after * intent.reference_price,
            reduce_only=intent.reduce_only,
            enabled=self._around.enabled(),
            leverage=intent.leverage,
            price=self._decision.price,
            signal_price=newest.price,
            orders_last_minute=0,
            exposure=Exposure(),
        )
        around = self._around
        reason = around.ledger.admit(intent.account, intent.symbol, check, around.limits())
        if reason is not None:
            self._settle(intent, IntentState.REFUSED, reason=reason)
            raise Refused(reason)

    async def _send(self, intent: Intent) -> None:
        state, around = self._state, self._around
        state.reducing = intent.reduce_only
        if around.capabilities.leverage_in_order and not intent.reduce_only:
            state.leverage, state.margin_mode = Decimal(intent.leverage), intent.margin_mode
        state.sent_at[intent.client_order_id] = around.clock.monotonic()
        self._sent.append(intent)
        try:
            async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
                report = await around.account.place_order(intent.request())
        except DuplicateClientOrderId:
            raise OutcomeUnknown("the exchange knows this client order id already") from None
        except OrderRejected as error:
            self._settle(intent, IntentState.REJECTED, reason=str(error))
            raise
        except (NotReady, AuthError) as error:
            self._sent.remove(intent)
            self._settle(intent, IntentState.UNSENT, reason=str(error))
            raise
        except TimeoutError:
            raise OutcomeUnknown(f"no answer within {CALL_TIMEOUT.total_seconds():g} s") from None
        finally:
            state.touched = around.clock.monotonic()
            if intent.client_order_id in state.open:
                state.sent_at[intent.client_order_id] = state.touched
        self._take(intent, report)

    def _take(self, intent: Intent, report: OrderReport) -> None:
        if report.status is OrderStatus.OPEN:
            self._state.acknowledged.add(intent.client_order_id)
            return
        settle_by_report(self._around, self._state, intent, report)
        if report.status is not OrderStatus.FILLED:
            raise OrderRejected(report.reason or f"the exchange ended the order as {report.status}")

    def _drop_unsent(self, intents: list[Intent]) -> None:
        for intent in intents:
            if intent.client_order_id in self._state.open.keys() - self._state.sent_at.keys():
                self._settle(intent, IntentState.UNSENT, reason="not needed any more")

    def _settle(self, intent: Intent, outcome: IntentState, *, reason: str) -> None:
        settle(self._around, self._state, intent, outcome, reason=reason)

    async def _confirm(self) -> None:
        """Read until the goal shows, or until it is sure that it was missed: then the worker plans again."""
        around, state = self._around, self._state
        patience = around.clock.monotonic() + around.capabilities.settle_after.total_seconds()
        pause = LOOK_AGAIN_FIRST
        while True:
            reading = await around.reader.holdings(together=TOGETHER if around.busy() > 1 else 0)
            if not isinstance(reading, Unknown):
                if self._shows_goal(reading):
                    self._confirmed(reading.of(self._goal.symbol))
                    return
                if state.open:
                    await settle_open(around, state)
                shown = reading.of(self._goal.symbol).quantity
                if shown == self._expected or around.clock.monotonic() >= patience:
                    return
            asked = (reading.retry_after or 0.0) if isinstance(reading, Unknown) else 0.0
            if isinstance(reading, Unknown) and around.clock.monotonic() + asked >= patience:
                raise NotReady(reading.reason, retry_after=reading.retry_after)
            await asyncio.sleep(max(pause, asked))
            pause = min(pause * 2, LOOK_AGAIN_LAST)

    def _shows_goal(self, holdings: Holdings) -> bool:
        """Whether a read shows the goal because our orders led there, not because it was so before them.

        The position may be at the goal while the way leads away from it first: a changed margin mode closes it. The
        read was asked for when our order had been answered, so one from that very instant counts.
        """
        goal, state = self._goal, self._state
        found = position_of(
            holdings,
            goal.symbol,
            newer_than=math.nextafter(state.touched, -math.inf),
            trail=state.trail,
            patience=self._around.capabilities.settle_after.total_seconds(),
        )
        return isinstance(found, Position) and all(
            at_target(quantity, goal.quantity, goal.quantity_step)
            for quantity in (self._expected, found.quantity)
        )

    def _confirmed(self, position: Position) -> None:
        self._state.seen(position)
        for intent in list(self._state.open.values()):
            if intent.client_order_id in self._state.acknowledged:
                self._settle(intent, IntentState.FILLED, reason="shown by the position")
        confirm(self._around, self._state, self._goal, position.quantity)
