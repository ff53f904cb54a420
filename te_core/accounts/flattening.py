"""Follows a flatten of one account until everything is closed; reports once what is still open, and once the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from te_core.accounts.beliefs import Beliefs
from te_core.accounts.keeper import Keeper
from te_core.accounts.reconciler import Reconciler
from te_core.accounts.targets import Targets
from te_core.clock import Clock
from te_core.journal.journal import Journal
from te_core.model.control import Control, ControlState, Topic
from te_core.model.event import Event
from te_core.model.reading import Unknown
from te_core.rules.decision import Status

if TYPE_CHECKING:
    from loguru import Logger

STILL_OPEN = 10.0
"""Seconds after which a flatten reports what it has not closed yet."""


class FlattenWatch:
    """One per account. Sends no orders: the keepers' targets are flat, and the worker works until they are reached."""

    def __init__(
        self,
        name: str,
        *,
        targets: Targets,
        reconciler: Reconciler,
        beliefs: Beliefs,
        journal: Journal,
        clock: Clock,
        log: Logger,
        record: Callable[[Event], None],
        connected: Callable[[], bool],
    ) -> None:
        self._name = name
        self._targets = targets
        self._reconciler = reconciler
        self._beliefs = beliefs
        self._journal = journal
        self._clock = clock
        self._log = log
        self._record = record
        self._connected = connected
        self._wanted: tuple[int, Control] | None = None
        """The newest flatten, with its number, until it is done."""
        self._asked_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        done = targets.controls.newest(Topic.CLOSED, targets.scopes, ("",))
        self._done = 0 if done is None else _number_of(done.at, self._flattens())
        """The number of the last flatten that is done. By number: the wall clock may be set back between two."""

    def commanded(self) -> bool:
        """Apply the current commands. Returns whether there is something new to close."""
        wanted = next(reversed(self._flattens()), None)
        if wanted is None or wanted[0] <= self._done:
            self._wanted = None
            self._reconciler.found_flat = True
            self._cancel()
            return False
        if wanted == self._wanted:
            return False
        self._wanted, self._asked_at = wanted, self._clock.monotonic()
        self._reconciler.found_flat = False
        self._cancel()
        self._timer = asyncio.get_running_loop().call_later(STILL_OPEN, self._report_open)
        return True

    @property
    def foreign(self) -> bool:
        """Whether positions that the engine never opened must be closed, too."""
        return any(row.state is ControlState.FOREIGN for _, row in self._flattens())

    def _flattens(self) -> Sequence[tuple[int, Control]]:
        """Return the flattens that apply here, oldest first, also to symbols for which the engine has no keeper."""
        return self._targets.controls.flattens(self._targets.scopes)

    def check(self) -> None:
        """Report the end once everything is closed. Called after each pass, and when a symbol's orders finish."""
        if self._wanted is None or not self._connected() or self.still_open():
            return
        (self._done, ended), self._wanted = self._wanted, None
        self._reconciler.found_flat = True
        self._cancel()
        done = Control(
            topic=Topic.CLOSED,
            scope=self._targets.scopes[-1],
            symbol="",
            state=ControlState.OVER,
            at=ended.at,
            by="the engine",
        )
        self._journal.append(done, awaited=False, reduction=True)
        self._record_event("everything that was to be closed is closed; halted until te resume")

    def still_open(self) -> Sequence[str]:
        """Return what is open, or not known to be closed, as texts; empty if no flatten is under way."""
        if self._wanted is None:
            return ()
        if not self._connected():
            if self._targets.at_rest and not self.foreign:
                return ()  # a disabled account that is at rest is not connected
            return ("the account is not connected, so its open positions are unknown",)
        read_at = self._beliefs.read_at
        if read_at is None or read_at < self._asked_at:
            return (f"positions not read since the flatten{self._why_unread()}",)
        keepers = self._targets.keepers
        return (
            *(
                f"{keeper.symbol} {self._how_open(keeper)}"
                for keeper in keepers.values()
                if keeper.standing.flat and self._is_open(keeper)
            ),
            *(
                f"{symbol} {position.quantity:f}"  # the next pass takes it over to close it
                for symbol, position in self._beliefs.held().items()
                if self._targets.closes_foreign(symbol) and not (symbol in keepers and keepers[symbol].target)
            ),
        )

    def _why_unread(self) -> str:
        failed = self._reconciler.failing.get("positions")
        return f": {failed.reason}" if failed is not None else ""

    def _is_open(self, keeper: Keeper) -> bool:
        if keeper.target is None or not (keeper.ours or keeper.standing.foreign):
            return False
        position = self._beliefs.position(keeper.symbol)
        if keeper.orders.open or keeper.task is not None or isinstance(position, Unknown):
            return True
        # No order can close a remainder below the exchange's step.
        rest = keeper.confirmed and keeper.status is Status.AT_TARGET
        return position.quantity != 0 and not rest

    def _how_open(self, keeper: Keeper) -> str:
        position = self._beliefs.position(keeper.symbol)
        if isinstance(position, Unknown) and self._targets.observing and keeper.position is not None:
            position = keeper.position  # nothing is read to close it while observing
        held = "unknown" if isinstance(position, Unknown) else f"{position.quantity:f}"
        return f"{held} ({keeper.reason})" if keeper.reason else held

    def _report_open(self) -> None:
        self._timer = None
        if found := self.still_open():
            self._record_event(f"still open: {'; '.join(found)}; retrying until closed")

    def _record_event(self, text: str) -> None:
        self._log.warning("flatten: {}", text)
        self._record(Event(at=self._clock.now(), kind="flatten", text=f"flatten: {text}", account=self._name))

    def stop(self) -> None:
        """Stop reporting."""
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _number_of(done: datetime, flattens: Sequence[tuple[int, Control]]) -> int:
    """Return the number of the flatten that was done, or of the newest one before it if it no longer applies."""
    same = [number for number, row in flattens if row.at == done]
    return max(same or [number for number, row in flattens if row.at < done], default=0)
