"""The targets of one account: every change gets the next revision, and is journaled before anything acts on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from te_core.accounts.keeper import SymbolState
from te_core.accounts.pending_writes import keep
from te_core.clock import Clock
from te_core.journal.journal import Journal
from te_core.journal.memory import Book
from te_core.model.order import Intent
from te_core.model.policy import AccountPolicy, Limits
from te_core.model.target import Blend, Target
from te_core.rules.targeting import target_for
from te_core.rules.trail import Trail
from te_core.settings.schema import EngineSettings

if TYPE_CHECKING:
    from loguru import Logger


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What the operator says of an account. A disabled one only reduces. ``symbols``: those that may get a target."""

    policy: AccountPolicy
    limits: Limits
    engine: EngineSettings
    enabled: bool
    concurrency: int = 10
    symbols: tuple[str, ...] = ()


class Targets:
    """Keeps the state of every symbol that has or had a target on the account."""

    def __init__(
        self, name: str, settings: WorkerSettings, *, journal: Journal, clock: Clock, log: Logger
    ) -> None:
        self.settings = settings
        self.states: dict[str, SymbolState] = {}
        self._name = name
        self._journal = journal
        self._clock = clock
        self._log = log

    def restore(self, books: Mapping[str, Book], open_intents: Iterable[Intent]) -> None:
        """Take what the journal remembers. Of what was read before this moment no order may follow any more."""
        restored_at = math.nextafter(self._clock.monotonic(), -math.inf)
        for symbol, book in books.items():
            state = self._state(symbol)
            state.touched = restored_at
            state.target, state.goal, state.confirmation = book.target, book.goal, book.confirmation
            state.last_step = book.last_step
            self._restore_settings(state)
            if book.last_outcome_at is not None:
                age = (self._clock.now() - book.last_outcome_at).total_seconds()
                state.trail = Trail(
                    end=_shown_since(book, book.last_outcome_at),
                    at=self._clock.monotonic() - max(age, 0.0),
                )
        for intent in open_intents:
            self._state(intent.symbol).open[intent.client_order_id] = intent

    @staticmethod
    def _restore_settings(state: SymbolState) -> None:
        """Where the exchange does not say leverage and margin mode, a position that was confirmed has its goal's."""
        goal, shown = state.goal, state.confirmation
        if goal is not None and shown is not None and shown.revision == goal.revision and shown.quantity != 0:
            state.leverage, state.margin_mode = Decimal(goal.leverage), goal.margin_mode

    def _state(self, symbol: str) -> SymbolState:
        if symbol not in self.states:
            self.states[symbol] = SymbolState(symbol=symbol, log=self._log.bind(symbol=symbol))
        return self.states[symbol]

    @property
    def at_rest(self) -> bool:
        """Whether nothing is held, wanted or under way on any symbol."""
        return all(state.at_rest for state in self.states.values())

    def retarget(self, wishes: Mapping[str, Blend | None]) -> bool:
        """Take the newest blends (None: nobody wishes for the symbol any more). Tells whether a target changed."""
        changed = [self._aim(self._state(symbol), wish) for symbol, wish in wishes.items()]
        return any(changed)

    def configure(self, settings: WorkerSettings) -> None:
        """Take changed settings; targets that they change get their next revision."""
        self.settings = settings
        for state in self.states.values():
            self._aim(state, state.wish)

    def rebalance(self, state: SymbolState) -> None:
        """Have the present target sized anew."""
        if state.target is not None:
            self._set(state, replace(state.target, revision=state.target.revision + 1, reason="rebalance"))

    def _aim(self, state: SymbolState, wish: Blend | None) -> bool:
        state.wish = wish
        target = target_for(
            wish,
            state.target,
            account=self._name,
            symbol=state.symbol,
            policy=self.settings.policy,
            limits=self.settings.limits,
            enabled=self.settings.enabled,
            now=self._clock.now(),
        )
        if target is not None:
            self._set(state, target)
        return target is not None

    def _set(self, state: SymbolState, target: Target) -> None:
        state.aim(target)
        keep(self._journal, state, target)
        state.log.info(
            "target {:+f} x{} (revision {}): {}",
            target.depth,
            target.leverage,
            target.revision,
            target.reason,
        )


def _shown_since(book: Book, last_outcome_at: datetime) -> Decimal | None:
    """Give the position that a read showed after the latest order, None if there was no read yet.

    A confirmation of an earlier goal is older than the order, be it by less than the clock tells.
    """
    shown = book.confirmation
    if shown is None or shown.at < last_outcome_at or book.goal is None:
        return None
    return shown.quantity if shown.revision == book.goal.revision else None
