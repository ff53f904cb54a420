"""Handles the end of a symbol's task: a further pass, a pause before the next attempt, a report."""

from __future__ import annotations

from collections.abc import Callable

from te_core.accounts.beliefs import Beliefs
from te_core.accounts.execution import Execution, Superseded, TooOld
from te_core.accounts.keeper import Keeper
from te_core.accounts.outcomes import OrdersLost, unanswered
from te_core.accounts.pauses import Hold
from te_core.accounts.schedule import Schedule
from te_core.accounts.targets import WorkerSettings
from te_core.clock import Clock
from te_core.errors import OutcomeUnknown, PluginDefect, TradeEngineError
from te_core.outage import Outages


class TaskEnds:
    """One per account; an error in a symbol's task never affects another symbol. ``wake`` requests a pass."""

    def __init__(
        self,
        *,
        settings: Callable[[], WorkerSettings],
        beliefs: Beliefs,
        schedule: Schedule,
        outages: Outages,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._beliefs = beliefs
        self._schedule = schedule
        self._outages = outages
        self._clock = clock
        self._wake = wake

    def handle(self, keeper: Keeper, execution: Execution | None, error: BaseException | None) -> None:
        """Handle a task that was not cancelled. ``execution``: what it executed; None if it resolved open orders."""
        if error is None and execution is not None and execution.corrects:
            keeper.corrects()  # an interrupted one does not count: the rest of it must still be corrected
        if error is None:
            self._succeeded(keeper, execution)
        elif isinstance(error, Superseded):
            if isinstance(error, TooOld) and execution is not None and execution.sent_nothing:
                keeper.expire_goal()
            self._wake()
        elif isinstance(error, OutcomeUnknown) and keeper.orders.open:
            unanswered(keeper, self._outages, error)
            self._wake()
        elif isinstance(error, OrdersLost):
            # Whatever swallows orders may still deliver them later: repeat them ever less often.
            hold = self._missed(keeper, OutcomeUnknown(str(error)), reducing=error.reducing)
            if hold.failures:
                self._outages.failing(keeper.symbol, hold.reason)
        else:
            self._failed(keeper, error, reducing=execution is not None and execution.reducing)

    def _succeeded(self, keeper: Keeper, execution: Execution | None) -> None:
        """Decide again after a task without an error: at once, or with backoff if orders keep missing the goal."""
        if execution is None:  # the outcomes of earlier orders are known now
            self._wake()
            return
        self._outages.well(keeper.symbol)
        if keeper.confirmed or keeper.replan:
            keeper.resume_orders()
            # If orders are pushed but equity is not, read it now rather than before the next order.
            equity_is_due = self._beliefs.told_of_changes and self._beliefs.equity_is_old
            if keeper.replan or not execution.confirms or equity_is_due:
                self._wake()
            return
        error = RuntimeError("the last orders did not lead to the goal")
        self._missed(keeper, error, reducing=execution.reducing)

    def _missed(self, keeper: Keeper, error: Exception, *, reducing: bool) -> Hold:
        engine = self._settings().engine
        first, last = engine.backoff_first, engine.backoff_last
        hold = keeper.missed(error, reducing=reducing, first=first, last=last)
        if hold.until <= self._clock.monotonic():
            self._wake()
        return hold

    def _failed(self, keeper: Keeper, error: BaseException, *, reducing: bool) -> None:
        engine = self._settings().engine
        hold = keeper.failed(error, reducing=reducing, first=engine.backoff_first, last=engine.backoff_last)
        self._schedule.failed(error, self._clock.monotonic())
        if isinstance(error, PluginDefect) or not isinstance(error, TradeEngineError | TimeoutError):
            keeper.log.opt(exception=error).error("defect: {}", hold.reason)
        self._outages.failing(keeper.symbol, hold.reason)
