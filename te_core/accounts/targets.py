"""The targets of one account: every change gets the next revision, and is journaled before anything acts on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from te_core.accounts.beliefs import Beliefs
from te_core.accounts.keeper import Keeper
from te_core.accounts.pending_writes import persist
from te_core.clock import Clock
from te_core.journal.journal import Journal
from te_core.journal.memory import SymbolRecord
from te_core.model.order import Intent
from te_core.model.policy import AccountPolicy, Limits
from te_core.model.target import Blend, Confirmation, Target
from te_core.rules.targeting import target_for
from te_core.settings.schema import EngineSettings

if TYPE_CHECKING:
    from loguru import Logger


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What the operator wants of an account. A disabled one only reduces. ``symbols``: those that may get a target."""

    policy: AccountPolicy
    limits: Limits
    engine: EngineSettings
    enabled: bool
    concurrency: int = 10
    symbols: tuple[str, ...] = ()


class Targets:
    """Has the keeper of every symbol that has or had a target on the account. ``book``: its key in the journal."""

    def __init__(
        self,
        book: str,
        settings: WorkerSettings,
        *,
        journal: Journal,
        clock: Clock,
        log: Logger,
        beliefs: Beliefs,
    ) -> None:
        self.settings = settings
        self.keepers: dict[str, Keeper] = {}
        self._book = book
        self._journal = journal
        self._clock = clock
        self._log = log
        self._beliefs = beliefs

    def restore(self, books: Mapping[str, SymbolRecord], open_intents: Iterable[Intent]) -> None:
        """Load what the journal has. No order may follow from anything that was read before this moment."""
        for symbol, book in books.items():
            settled_before = float("inf")
            if book.last_outcome_at is not None:
                settled_before = max((self._clock.now() - book.last_outcome_at).total_seconds(), 0.0)
            self.keeper(symbol).restore(
                target=book.target,
                goal=book.goal,
                confirmation=_still_confirmed(book),
                last_step=book.last_step,
                end=None if book.last_outcome_at is None else _shown_since(book, book.last_outcome_at),
                settled_before=settled_before,
            )
        for intent in open_intents:
            self.keeper(intent.symbol).orders.journaled(intent)

    def now(self) -> datetime:
        """Return the wall-clock time."""
        return self._clock.now()

    def keeper(self, symbol: str) -> Keeper:
        """Return a symbol's keeper, made when it is first asked for."""
        if symbol not in self.keepers:
            self.keepers[symbol] = Keeper(
                symbol,
                log=self._log.bind(symbol=symbol),
                beliefs=self._beliefs,
                monotonic=self._clock.monotonic,
            )
        return self.keepers[symbol]

    @property
    def at_rest(self) -> bool:
        """Whether nothing is held, wanted or under way on any symbol."""
        return all(keeper.at_rest for keeper in self.keepers.values())

    def retarget(self, blends: Mapping[str, Blend | None]) -> bool:
        """Take the newest blends; None for a symbol without weights. Returns whether a target changed."""
        changed = [self._retarget(self.keeper(symbol), blend) for symbol, blend in blends.items()]
        return any(changed)

    def configure(self, settings: WorkerSettings) -> None:
        """Apply changed settings; targets that they change get their next revision."""
        self.settings = settings
        for keeper in self.keepers.values():
            self._retarget(keeper, keeper.blend)

    def size_again(self, keeper: Keeper, reason: str) -> None:
        """Give the present target its next revision, so that it is sized with the present equity and price."""
        if keeper.target is not None:
            self._set(keeper, replace(keeper.target, revision=keeper.target.revision + 1, reason=reason))

    def _retarget(self, keeper: Keeper, blend: Blend | None) -> bool:
        keeper.set_blend(blend)
        target = target_for(
            blend,
            keeper.target,
            account=self._book,
            symbol=keeper.symbol,
            policy=self.settings.policy,
            limits=self.settings.limits,
            enabled=self.settings.enabled,
            now=self._clock.now(),
        )
        if target is not None:
            self._set(keeper, target)
        return target is not None

    def _set(self, keeper: Keeper, target: Target) -> None:
        keeper.set_target(target)
        persist(self._journal, keeper, target)
        keeper.log.info(
            "target {:+f} x{} (revision {}): {}",
            target.depth,
            target.leverage,
            target.revision,
            target.reason,
        )


def _still_confirmed(book: SymbolRecord) -> Confirmation | None:
    """Return the confirmation, None if an order of ours increased the position since: then it has to be shown again."""
    shown = book.confirmation
    if shown is None or not book.increased_since_confirmed:
        return shown
    return None if shown.revision == book.target.revision else shown


def _shown_since(book: SymbolRecord, last_outcome_at: datetime) -> Decimal | None:
    """Return the position that was shown after the latest order, None if none was yet.

    A confirmation of an earlier goal is older than the order, be it by less than the clock tells.
    """
    shown = book.confirmation
    if shown is None or shown.at < last_outcome_at or book.goal is None:
        return None
    return shown.quantity if shown.revision == book.goal.revision else None
