"""The targets of one account: every change gets the next revision and is journaled before anything acts on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from te_core.accounts.beliefs import Beliefs
from te_core.accounts.keeper import Keeper
from te_core.accounts.pending_writes import persist
from te_core.clock import Clock
from te_core.journal.journal import Journal
from te_core.journal.snapshot import SymbolRecord
from te_core.model.cause import Cause
from te_core.model.control import ControlState
from te_core.model.hours import Hours
from te_core.model.order import BestPrice, Intent
from te_core.model.policy import AccountPolicy, Limits, StopPolicy
from te_core.model.target import TAKEN_TO_CLOSE, Blend, Confirmation, Target
from te_core.rules.causes import cause_of
from te_core.rules.controls import Controls, Standing, commanded, described, standing
from te_core.rules.targeting import target_for
from te_core.settings.schema import EngineSettings

if TYPE_CHECKING:
    from loguru import Logger


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """The operator's settings of an account."""

    policy: AccountPolicy
    limits: Limits
    engine: EngineSettings
    enabled: bool
    """A disabled account only reduces."""
    stops: StopPolicy = field(default_factory=StopPolicy)
    concurrency: int = 10
    observe: str | None = None
    """Why nothing is sent, whatever was commanded; empty if the account never observes, None if commands decide."""
    symbols: tuple[str, ...] = ()
    """The symbols that may get a target."""
    hours: Mapping[str, tuple[Hours, ...]] = field(default_factory=dict)
    """By symbol: the hours in which it is not increased; under ``""`` those of the whole account."""


class Targets:
    """Owns the keeper of every symbol that has or had a target on the account. ``book``: its key in the journal.

    ``scopes``: the account's names in the operator's commands. ``time`` returns the time by which manual depths
    expire, like signals; the wall clock may be wrong for a while.
    """

    def __init__(
        self,
        book: str,
        settings: WorkerSettings,
        *,
        journal: Journal,
        clock: Clock,
        log: Logger,
        beliefs: Beliefs,
        scopes: Sequence[str] = (),
        controls: Controls | None = None,
        time: Callable[[], datetime] | None = None,
    ) -> None:
        self.settings = settings
        self.controls = controls or Controls()
        self.scopes = tuple(dict.fromkeys(scopes or (book,)))
        self.keepers: dict[str, Keeper] = {}
        self._book = book
        self._journal = journal
        self._clock = clock
        self._time = time or clock.now
        self._log = log
        self._beliefs = beliefs

    def restore(self, books: Mapping[str, SymbolRecord], open_intents: Iterable[Intent]) -> None:
        """Load the journal's state. No order may follow from anything that was read before this call."""
        for symbol, record in books.items():
            last_outcome_age = float("inf")
            if record.last_outcome_at is not None:
                last_outcome_age = max((self._clock.now() - record.last_outcome_at).total_seconds(), 0.0)
            self.keeper(symbol).restore(
                target=record.target,
                goal=record.goal,
                confirmation=_still_confirmed(record),
                last_step=record.last_step,
                end=None if record.last_outcome_at is None else _shown_since(record, record.last_outcome_at),
                last_outcome_age=last_outcome_age,
            )
            if record.best is not None and _is_of_position(record, record.best):
                self.keeper(symbol).stops.set_best(record.best)
        for intent in open_intents:
            keeper = self.keeper(intent.symbol)
            if intent.stop is None:
                keeper.orders.journaled(intent)
            else:
                keeper.stops.restore(intent)
        for keeper in self.keepers.values():
            keeper.set_standing(self.standing(keeper))

    def now(self) -> datetime:
        """Return the wall-clock time."""
        return self._clock.now()

    def keeper(self, symbol: str) -> Keeper:
        """Return a symbol's keeper, created on first use."""
        if symbol not in self.keepers:
            self.keepers[symbol] = self.unregistered(symbol)
        return self.keepers[symbol]

    @property
    def at_rest(self) -> bool:
        """Whether nothing is held, wanted or under way on any symbol."""
        return all(keeper.at_rest for keeper in self.keepers.values())

    def retarget(self, blends: Mapping[str, Blend | None]) -> bool:
        """Apply the newest blends; None for a symbol without weights. Returns whether a target changed."""
        changed = [self._retarget(self.keeper(symbol), blend) for symbol, blend in blends.items()]
        return any(changed)

    def command(self, controls: Controls) -> None:
        """Apply the operator's current commands."""
        before, self.controls = self.observing, controls
        self._retarget_all(observed=bool(before))

    @property
    def observing(self) -> str:
        """Why nothing is sent on the account; empty if it is traded."""
        return self.observing_by(self.controls)

    def observing_by(self, controls: Controls) -> str:
        """Return why nothing would be sent under these commands; empty if the account would be traded."""
        if self.settings.observe is not None:
            return self.settings.observe
        row = controls.observing(self.scopes)
        return "" if row is None else described(row).removeprefix("observing ")

    def standing(
        self, keeper: Keeper, controls: Controls | None = None, blend: Blend | None = None
    ) -> Standing:
        """Return what commands allow for a symbol: the active commands, or others to preview their effect."""
        return standing(
            self.controls if controls is None else controls,
            self.scopes,
            keeper.symbol,
            blend or keeper.blend,
            self._time(),
        )

    def as_if(self, keeper: Keeper, held: Standing, blend: Blend | None) -> Target | None:
        """Return the target that a symbol would have; None if it never had one."""
        return self._wanted(keeper, held, blend) or keeper.target

    def close_foreign(self, symbols: Iterable[str]) -> bool:
        """Adopt positions that the engine never opened, in order to close them. Returns whether there are any."""
        taken = False
        for symbol in symbols:
            keeper = self.keeper(symbol)
            held = self.standing(keeper)
            if held.foreign and (keeper.target is None or not keeper.closing):
                keeper.set_standing(held)
                self._set(keeper, self.foreign_target(keeper))
                taken = True
        return taken

    def closes_foreign(self, symbol: str) -> bool:
        """Return whether a position in this symbol must be closed even if the engine never opened it."""
        row = self.controls.halt(self.scopes, symbol)
        return row is not None and row.state is ControlState.FOREIGN

    def foreign_target(self, keeper: Keeper) -> Target:
        """Return the target that closes a position which the engine never opened."""
        return Target(
            account=self._book,
            symbol=keeper.symbol,
            revision=keeper.target.revision + 1 if keeper.target is not None else 1,
            depth=Decimal(0),
            leverage=1,
            margin_mode=self.settings.policy.margin_mode,
            reason=TAKEN_TO_CLOSE,
            created_at=self._clock.now(),
            cause=Cause.BREAKER if keeper.standing.by_breaker else Cause.COMMAND,
            caused_at=keeper.standing.since,
        )

    def unregistered(self, symbol: str) -> Keeper:
        """Return a keeper that is not registered and starts without state, for previews."""
        return Keeper(
            symbol,
            log=self._log.bind(symbol=symbol),
            beliefs=self._beliefs,
            monotonic=self._clock.monotonic,
        )

    def configure(self, settings: WorkerSettings) -> None:
        """Apply changed settings; each target that changes gets its next revision."""
        before, self.settings = self.observing, settings
        self._retarget_all(observed=bool(before))

    def _retarget_all(self, *, observed: bool) -> None:
        """Apply changed commands or settings. ``observed``: whether nothing was sent before."""
        live = observed and not self.observing
        for keeper in self.keepers.values():
            if not self._retarget(keeper, keeper.blend) and live and _sized_before(keeper):
                self.size_again(keeper, "set live")

    def size_again(self, keeper: Keeper, reason: str, cause: Cause = Cause.COMMAND) -> None:
        """Set the current target again with its next revision, so that it is sized with current equity and price."""
        if keeper.target is not None:
            again = replace(keeper.target, revision=keeper.target.revision + 1, reason=reason)
            self._set(keeper, replace(again, cause=cause, caused_at=self._clock.now()))

    def _retarget(self, keeper: Keeper, blend: Blend | None) -> bool:
        moved = keeper.set_blend(blend)
        before, held = keeper.standing, self.standing(keeper)
        keeper.set_standing(held)
        target = self._wanted(keeper, held, blend)
        if target is not None:
            cause, at = cause_of(target, keeper.target, held, enabled=self.settings.enabled)
            self._set(keeper, replace(target, cause=cause, caused_at=at))
        elif keeper.target is not None and (reason := _asked_again(keeper, before, held)):
            self.size_again(keeper, reason, Cause.BREAKER if held.by_breaker else Cause.COMMAND)
        else:
            return moved or before != held
        return True

    def _wanted(self, keeper: Keeper, held: Standing, blend: Blend | None) -> Target | None:
        if held.flat and keeper.target is not None and keeper.target.reason == TAKEN_TO_CLOSE:
            return None
        return target_for(
            commanded(keeper.symbol, blend, held),
            keeper.target,
            account=self._book,
            symbol=keeper.symbol,
            policy=self.settings.policy,
            limits=self.settings.limits,
            enabled=self.settings.enabled,
            now=self._clock.now(),
            flat=held.halt if held.flat else "",
        )

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


def _sized_before(keeper: Keeper) -> bool:
    """Return whether the open part of a target was sized before the account observed."""
    if keeper.target is None or keeper.goal is None or keeper.goal.revision != keeper.target.revision:
        return False
    return keeper.drifted or not keeper.reached


def _asked_again(keeper: Keeper, before: Standing, held: Standing) -> str:
    """Return why a command causes an unchanged target to be sized again; empty if it does not.

    So a flatten also closes what a drift policy left open, and what a halt held back is not opened at its old size.
    """
    position = keeper.position
    if held.accepted != before.accepted:
        return (
            described(held.by_hand) if held.by_hand is not None else "the accepted position no longer applies"
        )
    if held.flat and not before.flat and not (keeper.confirmed and position and position.quantity == 0):
        return held.halt
    if before.halt and not held.halt and (keeper.drifted or not keeper.reached):
        return "resumed"
    return ""


def _is_of_position(record: SymbolRecord, best: BestPrice) -> bool:
    """Return whether a best price can belong to the current position rather than to an earlier one."""
    shown, goal = record.confirmation, record.goal
    if goal is None or shown is None or best.at >= goal.sized_at:
        return goal is not None
    return shown.revision == goal.revision


def _still_confirmed(record: SymbolRecord) -> Confirmation | None:
    """Return the confirmation; None if our order has increased the position since: it must be observed again."""
    shown = record.confirmation
    if shown is None or not record.increased_since_confirmed:
        return shown
    return None if shown.revision == record.target.revision else shown


def _shown_since(record: SymbolRecord, last_outcome_at: datetime) -> Decimal | None:
    """Return the position that was observed after the latest order; None if there was none yet.

    A confirmation of an earlier goal is older than the order, even if by less than the clock resolves.
    """
    shown = record.confirmation
    if shown is None or shown.at < last_outcome_at or record.goal is None:
        return None
    return shown.quantity if shown.revision == record.goal.revision else None
