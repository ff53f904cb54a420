"""Places, cancels and looks up stop orders, and resolves their outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import partial

from te_core.accounts.context import ExecutionContext
from te_core.accounts.dispatch import StaleDecision, dispatching, too_old
from te_core.accounts.keeper import Keeper
from te_core.accounts.outcomes import (
    FINAL,
    FIRST_RETRY,
    LAST_RETRY,
    VANISHED,
    answered,
    record_outcome,
)
from te_core.clock import Clock
from te_core.errors import (
    AuthError,
    DuplicateClientOrderId,
    JournalError,
    NotReady,
    OrderRejected,
    OutcomeUnknown,
)
from te_core.journal.journal import Journal
from te_core.model.cause import Cause
from te_core.model.order import Intent, IntentState, OrderReport, OrderStatus, Side, StopKind
from te_core.model.reading import Unknown
from te_core.rules.client_order_ids import client_order_id
from te_core.rules.stops import Changes, StopOrder, holds_back

ZERO = Decimal(0)


class StopOrders:
    """The stop orders of one account. ``fire`` holds a symbol flat because of its stop; ``report`` records an event.

    ``read_by`` requests a read of everything by a time (monotonic).
    """

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        *,
        fire: Callable[[Keeper, StopKind, str], None],
        report: Callable[[Keeper, str], None],
        read_by: Callable[[float], None],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._fire = fire
        self._report = report
        self._read_by = read_by

    async def carry_out(
        self, ctx: ExecutionContext, keeper: Keeper, todo: Changes, decided_at: float
    ) -> None:
        """Resolve stops in doubt or, if there are none, place and cancel. Raises the error that stopped it."""
        await ctx.turn()
        if keeper.stops.doubted:
            await self._look_up_doubted(ctx, keeper)
            return  # the next pass decides from what was found
        for order in todo.place:
            await self._place_stop(ctx, keeper, order, decided_at)
        for intent in todo.cancel:
            await self._cancel(ctx, keeper, intent, decided_at)

    def _refusal(self, ctx: ExecutionContext, decided_at: float) -> str:
        if why := ctx.observing():
            return f"observing: {why}"
        return "the engine is stopping" if ctx.stopping() else too_old(decided_at, ctx.clock)

    async def _place_stop(
        self, ctx: ExecutionContext, keeper: Keeper, order: StopOrder, decided_at: float
    ) -> None:
        if reason := self._refusal(ctx, decided_at):
            raise StaleDecision(reason)
        intent = self._intent(ctx, keeper, order)
        keeper.stops.journaled(intent)
        try:
            await self._journal.append(intent, reduction=True)
        except JournalError:
            keeper.stops.ended(intent)
            raise
        except asyncio.CancelledError:
            self._resolve(ctx, keeper, intent, IntentState.UNSENT, reason="stopped before it was sent")
            raise
        if reason := self._refusal(ctx, decided_at):
            self._resolve(ctx, keeper, intent, IntentState.UNSENT, reason=reason)
            raise StaleDecision(reason)
        keeper.stops.sent(intent, ctx.clock.monotonic())
        try:
            with dispatching(partial(self._refusal, ctx, decided_at)):
                async with answered("place_stop()", OutcomeUnknown):
                    await ctx.account.place_stop(intent.stop_request())
        except DuplicateClientOrderId:
            keeper.stops.doubt(intent.client_order_id, ctx.clock.monotonic())
            return
        except OrderRejected as error:
            self._resolve(ctx, keeper, intent, IntentState.REJECTED, reason=str(error))
            raise
        except (NotReady, AuthError) as error:
            self._resolve(ctx, keeper, intent, IntentState.UNSENT, reason=str(error))
            raise
        except (OutcomeUnknown, TimeoutError, asyncio.CancelledError):
            keeper.stops.sent(intent, ctx.clock.monotonic())
            keeper.stops.doubt(intent.client_order_id, ctx.clock.monotonic())
            raise
        keeper.stops.rests(intent, ctx.clock.monotonic())
        keeper.log.info("{} {:f} rests at {:f}", intent.stop, intent.quantity, intent.reference_price)

    def _intent(self, ctx: ExecutionContext, keeper: Keeper, order: StopOrder) -> Intent:
        target, goal, number = keeper.target, keeper.goal, keeper.orders.next_step()
        assert target is not None
        return Intent(
            client_order_id=client_order_id(
                ctx.journal.journal_id,
                target.account,
                target.symbol,
                target.revision,
                number,
                0,
                form=ctx.capabilities.client_order_ids,
            ),
            account=target.account,
            symbol=target.symbol,
            revision=target.revision,
            step=number,
            chunk=0,
            side=order.side,
            quantity=order.quantity,
            reduce_only=True,
            leverage=goal.leverage if goal is not None else target.leverage,
            margin_mode=goal.margin_mode if goal is not None else target.margin_mode,
            reference_price=order.trigger,
            created_at=ctx.clock.now(),
            stop=order.kind,
            cause=Cause.STOP,
            caused_at=ctx.clock.now(),
        )

    async def _cancel(self, ctx: ExecutionContext, keeper: Keeper, intent: Intent, decided_at: float) -> None:
        """Cancel a stop, and look it up until it is gone: it may have been filled at the last moment.

        Raises ``OutcomeUnknown`` if it still rests after the visibility window.
        """
        refusal = partial(self._refusal, ctx, decided_at)
        with suppress(OrderRejected, OutcomeUnknown, TimeoutError), dispatching(refusal):
            async with answered("cancel_stop()"):
                await ctx.account.cancel_stop(intent.symbol, intent.client_order_id)
        cancelled_at, pause = ctx.clock.monotonic(), FIRST_RETRY
        while True:
            keeper.stops.doubt(intent.client_order_id, cancelled_at)
            over = ctx.clock.monotonic() >= cancelled_at + ctx.window
            await self._look_up(ctx, keeper, intent)
            if intent.client_order_id not in keeper.stops.open:
                return
            if over:
                raise OutcomeUnknown(
                    f"a {intent.stop} at {intent.reference_price:f} was cancelled but still rests"
                )
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_RETRY)

    # -- finding out

    async def _look_up_doubted(self, ctx: ExecutionContext, keeper: Keeper) -> None:
        pause = FIRST_RETRY
        while True:
            for name in list(keeper.stops.doubted):
                if (intent := keeper.stops.open.get(name)) is not None:
                    await self._look_up(ctx, keeper, intent)
            if not keeper.stops.doubted:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_RETRY)

    async def _look_up(self, ctx: ExecutionContext, keeper: Keeper, intent: Intent) -> None:
        """Query a stop. It counts as resting only once a response is newer than the doubt by the window."""
        asked_at = ctx.clock.monotonic()
        async with answered("find_stop()"):
            report = await ctx.account.find_stop(intent.symbol, intent.client_order_id)
        if intent.client_order_id not in keeper.stops.open:
            return
        since = keeper.stops.doubted.get(intent.client_order_id, asked_at)
        sent_at = keeper.stops.sent_at(intent, asked_at)
        if report is None:
            rested = intent.client_order_id in keeper.stops.rest_since
            if asked_at >= max(sent_at, since) + ctx.window + (VANISHED if rested else 0.0):
                self._vanished(ctx, keeper, intent)
        elif report.status is OrderStatus.OPEN:
            visible = asked_at >= since + ctx.window or not self._position_doubted(ctx, keeper)
            if visible and not report.filled:
                keeper.stops.rests(intent, asked_at)
                keeper.stops.sure(intent)
        elif report.filled or report.status is not OrderStatus.FILLED or asked_at >= sent_at + ctx.window:
            self._ended(ctx, keeper, intent, report)

    def _vanished(self, ctx: ExecutionContext, keeper: Keeper, intent: Intent) -> None:
        """Resolve a stop that the exchange does not know (any more): the position shows whether it was filled."""
        fired = intent.client_order_id in keeper.stops.rest_since and self._position_doubted(ctx, keeper)
        self._resolve(
            ctx, keeper, intent, IntentState.LOST, reason="not found at the exchange; the position decides"
        )
        ctx.beliefs.unresolved(keeper.symbol)
        self._read_by(ctx.clock.monotonic())
        if (
            fired
            and intent.stop is not None
            and holds_back(intent, keeper.target, confirmed=keeper.confirmed)
        ):
            gone = f"{intent.stop} at {intent.reference_price:f} is no longer found, and the position shrank"
            self._fire(keeper, intent.stop, f"{gone}; treating it as filled")

    def _position_doubted(self, ctx: ExecutionContext, keeper: Keeper) -> bool:
        """Return whether the position may be smaller than the one that the stops are for."""
        position = ctx.beliefs.position(keeper.symbol)
        if isinstance(position, Unknown) or keeper.confirmation is None:
            return keeper.confirmation is not None and keeper.confirmation.quantity != 0
        return abs(position.quantity) < abs(keeper.confirmation.quantity)

    def _ended(self, ctx: ExecutionContext, keeper: Keeper, intent: Intent, report: OrderReport) -> None:
        filled = report.filled
        if filled is None:
            filled = intent.quantity if report.status is OrderStatus.FILLED else ZERO
        self._resolve(
            ctx,
            keeper,
            intent,
            FINAL[report.status],
            filled=filled,
            average_price=report.average_price,
            reason=report.reason,
        )
        ctx.metrics.order(ctx.name, FINAL[report.status])
        if not filled:
            return
        assert intent.stop is not None
        ctx.books.executed(intent, filled, report, keeper.target)
        ctx.beliefs.catch_up(keeper.symbol)
        ctx.beliefs.unresolved(keeper.symbol)
        self._read_by(ctx.clock.monotonic())
        at = f" at {report.average_price:f}" if report.average_price is not None else ""
        part = f" of {intent.quantity:f}" if filled < intent.quantity else ""
        done = "sold" if intent.side is Side.SELL else "bought"
        text = f"{intent.stop} at {intent.reference_price:f} was filled at the exchange: {done} {filled:f}{part}{at}"
        if holds_back(intent, keeper.target, confirmed=keeper.confirmed):
            self._fire(keeper, intent.stop, text)
        else:
            keeper.log.warning("{}; a newer target applies", text)
            self._report(keeper, f"{text}; a newer target applies")

    def _resolve(
        self,
        ctx: ExecutionContext,
        keeper: Keeper,
        intent: Intent,
        state: IntentState,
        *,
        filled: Decimal = ZERO,
        average_price: Decimal | None = None,
        reason: str = "",
    ) -> None:
        keeper.stops.ended(intent)
        record_outcome(ctx, keeper, intent, state, filled=filled, average_price=average_price, reason=reason)
        keeper.log.debug("{} at {:f}: {} {}", intent.stop, intent.reference_price, state, reason)
