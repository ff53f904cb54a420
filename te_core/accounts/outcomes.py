"""What becomes of a symbol's goals and orders: kept, looked up, settled, confirmed; each of it is journaled."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

from te_core.accounts.context import Surroundings
from te_core.accounts.keeper import SymbolState
from te_core.accounts.pending_writes import keep
from te_core.errors import NotReady, OrderRejected, OutcomeUnknown
from te_core.model.order import Intent, IntentState, OrderReport, OrderStatus, Settlement
from te_core.model.target import Confirmation, Goal
from te_core.rules.decision import Status

ZERO = Decimal(0)
CALL_TIMEOUT = timedelta(seconds=15)
LOOK_AGAIN_FIRST, LOOK_AGAIN_LAST = 0.5, 5.0

FINAL = {
    OrderStatus.FILLED: IntentState.FILLED,
    OrderStatus.CANCELLED: IntentState.CANCELLED,
    OrderStatus.REJECTED: IntentState.REJECTED,
}


def keep_goal(around: Surroundings, state: SymbolState, goal: Goal) -> None:
    """Keep a freshly sized goal: it stays until the target changes."""
    state.goal = goal
    around.ledger.aim(goal.account, goal.symbol, goal.quantity * goal.price)
    keep(around.journal, state, goal)
    state.log.info("goal {:f} (revision {}) {}", goal.quantity, goal.revision, "; ".join(goal.notes))


def confirm(around: Surroundings, state: SymbolState, goal: Goal, quantity: Decimal) -> None:
    """Record that a read showed the goal: from now on drift is measured against ``quantity``."""
    state.confirmation = Confirmation(
        account=goal.account,
        symbol=goal.symbol,
        revision=goal.revision,
        quantity=quantity,
        at=around.clock.now(),
    )
    keep(around.journal, state, state.confirmation)
    state.status, state.reason, state.drifting = Status.AT_TARGET, "", False
    state.succeeded()
    state.log.info("confirmed {:f} (revision {})", quantity, goal.revision)


def settle(
    around: Surroundings,
    state: SymbolState,
    intent: Intent,
    outcome: IntentState,
    *,
    filled: Decimal | None = None,
    average_price: Decimal | None = None,
    reason: str = "",
) -> None:
    """Record an intent's known outcome."""
    state.open.pop(intent.client_order_id, None)
    state.sent_at.pop(intent.client_order_id, None)
    state.acknowledged.discard(intent.client_order_id)
    if filled is None:
        filled = intent.quantity if outcome is IntentState.FILLED else ZERO
    state.fills[intent.client_order_id] = filled
    if filled:
        state.trail = state.trail.moved(intent.side.sign * filled, around.clock.monotonic())
    keep(
        around.journal,
        state,
        Settlement(
            client_order_id=intent.client_order_id,
            state=outcome,
            at=around.clock.now(),
            filled=filled,
            average_price=average_price,
            reason=reason,
        ),
    )
    # Failures are told once, as an outage of the symbol; here they are only detail.
    level = "INFO" if outcome is IntentState.FILLED else "DEBUG"
    state.log.log(
        level,
        "{} {:f} {}: {}{}{}",
        intent.side,
        intent.quantity,
        "reduce-only" if intent.reduce_only else "open",
        outcome,
        f" at {average_price:f}" if average_price is not None else "",
        f" ({reason})" if reason else "",
    )


def settle_by_report(around: Surroundings, state: SymbolState, intent: Intent, report: OrderReport) -> None:
    """Record an outcome as the exchange reports it."""
    settle(
        around,
        state,
        intent,
        FINAL[report.status],
        filled=report.filled,
        average_price=report.average_price,
        reason=report.reason,
    )


async def settle_open(around: Surroundings, state: SymbolState) -> None:
    """Look up every open intent of a symbol until each outcome is known. "Not found" counts only after the window.

    Failing look-ups are repeated; ``AuthError`` passes through.
    """
    pause = LOOK_AGAIN_FIRST
    while True:
        for intent in list(state.open.values()):
            await _look_up(around, state, intent)
        if not state.open:
            state.touched = around.clock.monotonic()
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, LOOK_AGAIN_LAST)


async def _look_up(around: Surroundings, state: SymbolState, intent: Intent) -> None:
    # Measured on the steady clock. One that an earlier process sent counts from now: its wall time proves nothing.
    asked_at = around.clock.monotonic()
    sent_at = state.sent_at.setdefault(intent.client_order_id, asked_at)
    over = asked_at >= sent_at + around.capabilities.settle_after.total_seconds()
    if not around.capabilities.order_lookup:
        if over:
            settle(around, state, intent, IntentState.LOST, reason="no look-up here: the position decides")
        return
    try:
        async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
            report = await around.account.find_order(intent.symbol, intent.client_order_id)
    except (NotReady, OutcomeUnknown, OrderRejected, TimeoutError) as error:
        state.reason = f"an order's outcome is not known yet: {error}"
        return
    if report is not None and report.status is not OrderStatus.OPEN:
        settle_by_report(around, state, intent, report)
    elif report is not None:
        state.reason = "waiting for an order to be filled"
    elif over:
        settle(around, state, intent, IntentState.LOST, reason="never reached the exchange")
