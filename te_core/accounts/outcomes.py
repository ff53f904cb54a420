"""Adopts goals, looks up and resolves orders, and confirms goals; each step is journaled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from functools import partial

from te_core.accounts import notices
from te_core.accounts.context import ExecutionContext
from te_core.accounts.keeper import Keeper
from te_core.accounts.pending_writes import persist
from te_core.contracts.observer import FinishedOrder, PositionChange
from te_core.errors import AuthError, NotReady, OrderRejected, OutcomeUnknown, PluginDefect
from te_core.model.order import Intent, IntentState, OrderOutcome, OrderReport, OrderStatus
from te_core.model.target import Confirmation, Goal
from te_core.outage import Outages

ZERO = Decimal(0)
CALL_TIMEOUT = timedelta(seconds=15)
FIRST_RETRY, LAST_RETRY = 0.5, 5.0
REFUSED_RETRY = 60.0
"""Seconds after which an order is looked up again if the exchange refuses the key."""
VANISHED = 60.0
"""Seconds beyond the window for which the look-up of an accepted order continues if the exchange no longer finds it."""

FINAL = {
    OrderStatus.FILLED: IntentState.FILLED,
    OrderStatus.CANCELLED: IntentState.CANCELLED,
    OrderStatus.REJECTED: IntentState.REJECTED,
}


class OrdersLost(Exception):
    """Orders that may have been sent did not reach the exchange, as far as it shows. ``reducing``: only reductions."""

    def __init__(self, why: str, *, reducing: bool) -> None:
        super().__init__(f"the last orders were lost: {why}")
        self.reducing = reducing


@asynccontextmanager
async def answered(what: str, otherwise: type[NotReady | OutcomeUnknown] = NotReady) -> AsyncIterator[None]:
    """Limit the time of an exchange call. Raises ``otherwise``, naming the call, if it does not return in time."""
    try:
        async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
            yield
    except TimeoutError:
        raise otherwise(f"{what}: no answer within {CALL_TIMEOUT.total_seconds():g} s") from None


def unanswered(keeper: Keeper, outages: Outages, error: OutcomeUnknown) -> None:
    """Log that an order's outcome must be looked up; a plugin's contract violation is an outage of the symbol."""
    if isinstance(error, PluginDefect):
        said = str(error).removeprefix("defect of the plugin: ")
        keeper.log.error("defect: {}; looking the order up", said)
        outages.failing(keeper.symbol, f"defect: {said}; looking the order up")
    else:
        keeper.log.warning("the outcome of an order is unknown: {}; looking it up", error)


def adopt_goal(ctx: ExecutionContext, keeper: Keeper, goal: Goal) -> None:
    """Adopt a newly sized goal: it stays until the target changes."""
    keeper.set_goal(goal)
    persist(ctx.journal, keeper, goal)
    notes = "".join(f"; {note}" for note in goal.notes)
    keeper.log.info("goal {:f} (revision {}){}", goal.quantity, goal.revision, notes)


def confirm(ctx: ExecutionContext, keeper: Keeper, goal: Goal, quantity: Decimal) -> None:
    """Record that the goal was reached: from now on drift is measured against ``quantity``."""
    confirmation = Confirmation(
        account=goal.account,
        symbol=goal.symbol,
        revision=goal.revision,
        quantity=quantity,
        at=ctx.clock.now(),
        step=keeper.orders.last_step,
    )
    before = keeper.last_confirmed
    keeper.confirm(confirmation)
    persist(ctx.journal, keeper, confirmation)
    keeper.log.info("confirmed {:f} (revision {})", quantity, goal.revision)
    if quantity != before:
        ctx.books.notify(notices.position_changed(ctx.name, keeper.symbol, before, quantity, confirmation.at))
        ctx.books.show(
            lambda: PositionChange(
                account=ctx.name, symbol=keeper.symbol, before=before, after=quantity, at=confirmation.at
            )
        )


def resolve(
    ctx: ExecutionContext,
    keeper: Keeper,
    intent: Intent,
    outcome: IntentState,
    *,
    filled: Decimal | None = None,
    report: OrderReport | None = None,
    reason: str = "",
) -> None:
    """Record an intent's known outcome. ``report``: the exchange's report, if the outcome is known from it."""
    average_price = report.average_price if report is not None else None
    if filled is None:
        filled = intent.quantity if outcome is IntentState.FILLED else ZERO
    ctx.beliefs.catch_up(keeper.symbol)  # an earlier read shows an order under way, not one of others
    keeper.orders.resolve(intent, filled)
    ctx.beliefs.filled(keeper.symbol, intent.side.sign * filled)
    if filled and not intent.reduce_only:
        keeper.increased(intent.revision)
    order_outcome = record_outcome(
        ctx, keeper, intent, outcome, filled=filled, average_price=average_price, reason=reason
    )
    ctx.metrics.order(ctx.name, outcome)
    if average_price is not None:
        expected, sign = intent.reference_price, intent.side.sign
        ctx.metrics.slippage(ctx.name, expected=expected, got=average_price, sign=sign)
    ctx.books.executed(intent, filled, report, keeper.target)
    ctx.books.rejected(outcome)
    if outcome is IntentState.REJECTED and keeper.is_news(f"refused {intent.revision}"):
        ctx.books.notify(notices.refused(ctx.name, intent, reason, order_outcome.at))
    # Failures are logged once, as an outage of the symbol; here they are only details.
    level = "INFO" if outcome is IntentState.FILLED else "DEBUG"
    keeper.log.log(
        level,
        "{} {:f} {}: {}{}{}",
        intent.side,
        intent.quantity,
        "reduce-only" if intent.reduce_only else "open",
        outcome,
        f" at {average_price:f}" if average_price is not None else "",
        f" ({reason})" if reason else "",
    )


def record_outcome(
    ctx: ExecutionContext,
    keeper: Keeper,
    intent: Intent,
    outcome: IntentState,
    *,
    filled: Decimal,
    average_price: Decimal | None,
    reason: str,
) -> OrderOutcome:
    """Journal the outcome of an order, and show it to the observers."""
    order_outcome = OrderOutcome(
        client_order_id=intent.client_order_id,
        state=outcome,
        at=ctx.clock.now(),
        filled=filled,
        average_price=average_price,
        reason=reason,
    )
    persist(ctx.journal, keeper, order_outcome)
    ctx.books.show(partial(finished, ctx.name, intent, order_outcome))
    return order_outcome


def finished(account: str, intent: Intent, order_outcome: OrderOutcome) -> FinishedOrder:
    """Return an order whose outcome is known, as observers see it."""
    return FinishedOrder(
        account=account,
        symbol=intent.symbol,
        client_order_id=intent.client_order_id,
        side=intent.side,
        quantity=intent.quantity,
        reduce_only=intent.reduce_only or intent.stop is not None,
        state=order_outcome.state,
        filled=order_outcome.filled or ZERO,
        created_at=intent.created_at,
        at=order_outcome.at,
        price=order_outcome.average_price,
        reason=order_outcome.reason,
        cause=intent.cause,
        stop=intent.stop,
    )


def resolve_by_report(ctx: ExecutionContext, keeper: Keeper, intent: Intent, report: OrderReport) -> None:
    """Record an outcome as the exchange reports it."""
    resolve(
        ctx,
        keeper,
        intent,
        FINAL[report.status],
        filled=report.filled,
        report=report,
        reason=report.reason,
    )


async def resolve_open(ctx: ExecutionContext, keeper: Keeper) -> None:
    """Resolve every open intent of a symbol by look-ups. "Not found" counts only after the window.

    Failing look-ups are repeated; if the key is refused, every minute. Raises ``OrdersLost`` at the end if some of the
    orders were lost.
    """
    pause = FIRST_RETRY
    lost: list[Intent] = []
    reason = ""
    while True:
        refused = False
        for intent in list(keeper.orders.open.values()):
            try:
                if why := await _look_up(ctx, keeper, intent):
                    lost.append(intent)
                    reason = why
            except AuthError as error:
                refused = True
                keeper.resolving(f"the outcome of an order is still unknown: {error}")
        if not keeper.orders.open:
            ctx.beliefs.answered(keeper.symbol)
            if lost:
                raise OrdersLost(reason, reducing=all(intent.reduce_only for intent in lost))
            return
        await asyncio.sleep(REFUSED_RETRY if refused else pause)
        pause = min(pause * 2, LAST_RETRY)


async def _look_up(ctx: ExecutionContext, keeper: Keeper, intent: Intent) -> str:
    """Query an order, and resolve it if its outcome is known. Returns why it is considered lost, or an empty string."""
    # Measured on the monotonic clock. An order of an earlier process counts from now: its wall time proves nothing.
    asked_at = ctx.clock.monotonic()
    over = asked_at >= keeper.orders.sent_at(intent, asked_at) + ctx.window
    if not ctx.capabilities.order_lookup:
        if over:
            return _let_position_decide(ctx, keeper, intent, "the exchange has no order look-up")
        return ""
    try:
        async with answered("find_order()"):
            report = await ctx.account.find_order(intent.symbol, intent.client_order_id)
    except (NotReady, OutcomeUnknown, OrderRejected) as error:
        keeper.resolving(f"the outcome of an order is still unknown: {error}")
        return ""
    if report is not None and report.status is not OrderStatus.OPEN:
        resolve_by_report(ctx, keeper, intent, report)
    elif report is not None:
        keeper.orders.accepted(intent)
        keeper.resolving("waiting for an order to fill")
    elif keeper.orders.was_accepted(intent):
        # Look-ups lag, too: an order that the exchange accepted is not "never reached" because one did not find it.
        keeper.resolving("the exchange does not find an order that it accepted")
        if asked_at >= keeper.orders.sent_at(intent, asked_at) + ctx.window + VANISHED:
            return _let_position_decide(ctx, keeper, intent, "accepted, but no longer found")
    elif over:
        resolve(ctx, keeper, intent, IntentState.LOST, reason="never reached the exchange")
        return "never reached the exchange"
    return ""


def _let_position_decide(ctx: ExecutionContext, keeper: Keeper, intent: Intent, why: str) -> str:
    resolve(ctx, keeper, intent, IntentState.LOST, reason=f"{why}; the position decides")
    ctx.beliefs.unresolved(keeper.symbol)
    if not intent.reduce_only:
        keeper.increased(intent.revision)  # it may have done so
    return why
