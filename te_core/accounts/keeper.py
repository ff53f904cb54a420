"""All state that the engine holds about one symbol of one account, and the only code that changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from te_core.accounts.beliefs import Beliefs
from te_core.accounts.own_orders import OwnOrders
from te_core.accounts.own_stops import OwnStops
from te_core.accounts.pauses import Hold, hold_after
from te_core.model.order import OrderOutcome
from te_core.model.position import MarginMode, Position
from te_core.model.reading import Unknown
from te_core.model.target import Blend, Confirmation, Goal, Target
from te_core.rules.controls import FREE, Standing
from te_core.rules.decision import NOTHING, Decision, Status
from te_core.rules.drift import CORRECTION_SPAN, looks_liquidated, may_correct
from te_core.rules.plan import at_target

if TYPE_CHECKING:
    from loguru import Logger

Persisted = Target | Goal | Confirmation | OrderOutcome


class PhaseKind(StrEnum):
    """What a symbol is doing."""

    RESTING = "resting"
    DECIDING = "deciding"
    EXECUTING = "executing"
    RESOLVING = "resolving"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What a symbol is doing now. Times are monotonic seconds."""

    kind: PhaseKind
    since: float
    reason: str = ""
    """Why it is held back or waiting."""
    until: float | None = None
    """Until when it is held back (``HELD`` only)."""
    retry: str = ""
    """How it will be retried (``HELD`` only); for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolMode:
    """Leverage and margin mode as last known; None: unknown."""

    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    mode_at: float = float("-inf")
    """When the margin mode was last observed or set, monotonic."""
    tries: int = 0
    """How often ``tried`` was set without a read that shows it."""
    tried: int | None = None
    """The leverage that was set last."""


UNKNOWN_MODE = SymbolMode()
HIDDEN_MODE_AGE = 300.0
"""Seconds for which a margin mode stays valid if the exchange hides it while flat: others can change it there."""


class Keeper:
    """One symbol of one account. Other modules read its attributes; only its methods assign them."""

    def __init__(self, symbol: str, *, log: Logger, beliefs: Beliefs, monotonic: Callable[[], float]) -> None:
        self.symbol = symbol
        self.log = log
        self.blend: Blend | None = None
        self.standing: Standing = FREE
        self.target: Target | None = None
        self.goal: Goal | None = None
        self.confirmation: Confirmation | None = None
        self.last_confirmed: Decimal | None = None
        """The size that was confirmed last, even if it must be observed again; None if unknown."""
        self.orders = OwnOrders()
        self.stops = OwnStops()
        self.mode = UNKNOWN_MODE
        self.decision: Decision | None = None
        self.phase = Phase(kind=PhaseKind.DECIDING, since=monotonic())
        self.hold: Hold | None = None
        self.liquidated = False
        self.unpersisted: tuple[Persisted, ...] = ()
        self._awaited = False
        self.goal_expired = False
        self.task: asyncio.Task[None] | None = None
        self._beliefs = beliefs
        self._monotonic = monotonic
        self._corrections: tuple[float, ...] = ()
        self._gave_up = False
        self._foreign_changes = 0
        self._calm_wallet: Decimal | None = None
        self._basis: object = None
        self._reported: frozenset[str] = frozenset()

    # -- derived state

    @property
    def status(self) -> Status:
        """The status as last decided; while held back, WAITING instead of WORKING."""
        if self.decision is None:
            return Status.WAITING
        held = self.phase.kind is PhaseKind.HELD and self.decision.status is Status.WORKING
        return Status.WAITING if held else self.decision.status

    @property
    def reason(self) -> str:
        """The reason for the status, or for waiting."""
        if self.phase.reason:
            return self.phase.reason
        return self.decision.reason if self.decision is not None else "not decided yet"

    @property
    def limited(self) -> str:
        """What a limit holds back now; empty if nothing."""
        return self.decision.limited if self.decision is not None else ""

    @property
    def position(self) -> Position | None:
        """The last accepted position, of any age: for display, never to act on."""
        return self._beliefs.evidence(self.symbol).position

    @property
    def wanted(self) -> bool:
        """Whether the target is to hold a position."""
        return self.target is not None and self.target.depth != 0

    @property
    def confirmed(self) -> bool:
        """Whether an observation has shown the current target's goal."""
        return (
            self.target is not None
            and self.confirmation is not None
            and self.confirmation.revision == self.target.revision
        )

    @property
    def reached(self) -> bool:
        """Whether an observation has shown the current target's whole goal, with nothing held back."""
        goal, shown = self.goal, self.confirmation
        if goal is None or shown is None or not self.confirmed or goal.revision != shown.revision:
            return False
        return at_target(shown.quantity, goal.quantity, goal.quantity_step)

    @property
    def drifted(self) -> bool:
        """Whether the last decision found that the position differs from the confirmed one."""
        return self.decision is not None and self.decision.drift

    @property
    def ours(self) -> bool:
        """Whether the position counts as opened by the engine."""
        return self.goal is not None and not self.goal.foreign

    @property
    def closing(self) -> bool:
        """Whether the target is flat and no observation shows that, or the position is no longer flat.

        Its orders need a price, too, and the symbol's trading rules.
        """
        position = self.position
        flat = self.confirmed and (position is None or position.quantity == 0)
        return self.target is not None and self.target.depth == 0 and not flat

    @property
    def at_rest(self) -> bool:
        """Whether nothing is held, wanted or under way."""
        under_way = bool(self.orders.open or self.stops.open) or self.task is not None
        return not self.wanted and not self.closing and not under_way

    @property
    def may_reduce(self) -> bool:
        """Whether the next step may be a reduction: as far as known, the position is not the wanted one."""
        if self.hold is not None and self.hold.reduction:
            return True
        known = self.position or self.goal
        unreached = self.target is not None and not self.confirmed
        return unreached and known is not None and known.quantity != 0

    @property
    def may_correct(self) -> bool:
        """Whether drift may be corrected again."""
        return not self._gave_up and may_correct(self._corrections, self._monotonic())

    @property
    def replan(self) -> bool:
        """Whether to decide again once its orders finish: others wait for that, or a risk check has not answered."""
        return self._awaited or (self.decision is not None and self.decision.asking)

    def knows_order(self, client_order_id: str) -> bool:
        """Return whether an id belongs to one of the symbol's recent orders or stops."""
        return self.orders.knows(client_order_id) or self.stops.knows(client_order_id)

    def known_position(self) -> Position | Unknown:
        """Return the believed position, filled in with leverage and margin mode if the exchange hides them."""
        position = self._beliefs.position(self.symbol)
        if isinstance(position, Unknown) or (position.leverage is not None and position.margin_mode):
            return position
        recent = self._monotonic() - self.mode.mode_at <= HIDDEN_MODE_AGE
        hidden = self.mode.margin_mode if position.quantity or recent else None
        return replace(
            position,
            leverage=position.leverage if position.leverage is not None else self.mode.leverage,
            margin_mode=position.margin_mode or hidden,
        )

    # -- targets

    def restore(
        self,
        *,
        target: Target,
        goal: Goal | None,
        confirmation: Confirmation | None,
        last_step: int,
        end: Decimal | None,
        last_outcome_age: float,
    ) -> None:
        """Load the journal's state. ``last_outcome_age``: seconds since the latest order's outcome, inf for none.

        If the exchange hides leverage and margin mode, a confirmed position has those of its goal.
        """
        self.target, self.goal, self.confirmation = target, goal, confirmation
        self.last_confirmed = confirmation.quantity if confirmation is not None else None
        self.orders.continue_from(last_step)
        shown = confirmation is not None and goal is not None and confirmation.revision == goal.revision
        if shown and goal is not None and confirmation is not None and confirmation.quantity != 0:
            self.mode = SymbolMode(
                leverage=Decimal(goal.leverage), margin_mode=goal.margin_mode, mode_at=self._monotonic()
            )
        changed_at = self._monotonic() - last_outcome_age
        self.orders.last_at = changed_at if last_outcome_age != float("inf") else None
        self._beliefs.restore(self.symbol, end=end, changed_at=changed_at)

    def set_blend(self, blend: Blend | None) -> bool:
        """Set the newest blend; None: the symbol no longer has weights. Returns whether its exits changed."""
        before, self.blend = self.blend, blend
        return (before.exits if before is not None else None) != (blend.exits if blend is not None else None)

    def set_standing(self, standing: Standing) -> None:
        """Set what the operator's commands allow; it applies at once, also to orders under way."""
        self.standing = standing

    def set_target(self, target: Target) -> None:
        """Replace the target: earlier failures and corrections no longer block it."""
        self.target = target
        self.orders.continue_from(0)
        if self.mode.tries:
            self.mode = replace(self.mode, tries=0)
        self.decision = None
        self.liquidated = False
        self._reported = frozenset()
        self.resume()

    def resume(self) -> None:
        """Clear failures and given-up corrections: the next pass decides without them."""
        self.hold = None
        self._gave_up, self._corrections = False, ()
        if self.phase.kind is not PhaseKind.EXECUTING and self.phase.kind is not PhaseKind.RESOLVING:
            self._enter(PhaseKind.DECIDING)

    def resume_orders(self) -> None:
        """Clear failures: the last orders led where they should."""
        self.hold = None

    def set_goal(self, goal: Goal) -> None:
        """Adopt a newly sized goal: it stays until the target changes."""
        self.goal, self.goal_expired = goal, False
        self._beliefs.sized(self.symbol)

    def expire_goal(self) -> None:
        """Mark the goal for resizing: its decision became too old before any of its orders was sent."""
        self.goal_expired = True

    def confirm(self, confirmation: Confirmation) -> None:
        """Record that the goal was reached: from now on drift is measured against it."""
        self.confirmation, self.last_confirmed = confirmation, confirmation.quantity
        self.hold = None
        self.stops.confirmed(confirmation.quantity)
        if self.decision is not None and self.decision.plan.steps:
            cut = self.decision.limited
            status = Status.LIMITED if cut else Status.AT_TARGET
            self.decision = replace(self.decision, status=status, reason=cut, plan=NOTHING, drift=False)

    def increased(self, revision: int) -> None:
        """Drop the confirmation after our order increased the position: it must be observed again.

        Not if the order corrected drift, which is measured against the confirmation.
        """
        correcting = self.decision is not None and self.decision.drift
        if self.confirmation is not None and self.confirmation.revision == revision and not correcting:
            self.confirmation = None

    # -- deciding

    def rests_on(self, basis: object) -> bool:
        """Return whether the symbol rests at its target and was last decided on the same basis."""
        return self.phase.kind is PhaseKind.RESTING and self._basis == basis

    def calm(self, basis: object, wallet: Decimal | None) -> None:
        """Record the basis of a decision to rest, and the account's wallet; clear what was reported."""
        self._basis, self._reported = basis, frozenset()
        if wallet is not None:
            self._calm_wallet = wallet

    def observe_mode(self, position: Position) -> None:
        """Record leverage and margin mode as observed; whoever else changed the position may have changed them, too."""
        changes = self._beliefs.evidence(self.symbol).foreign_changes
        disturbed, self._foreign_changes = changes != self._foreign_changes, changes
        hidden = None if disturbed else self.mode.leverage
        mode = None if disturbed and position.quantity == 0 else self.mode.margin_mode
        leverage = position.leverage if position.leverage is not None else hidden
        shown = self.goal is not None and position.leverage == self.goal.leverage
        self.mode = SymbolMode(
            leverage=leverage,
            margin_mode=position.margin_mode or mode,
            mode_at=self._monotonic() if position.margin_mode else self.mode.mode_at,
            tries=0 if shown else self.mode.tries,
            tried=self.mode.tried,
        )

    def watch_for_liquidation(self, position: Position, wallet: Decimal | None) -> None:
        """Compare a position that shrank without our order with what the account lost meanwhile."""
        goal, confirmation = self.goal, self.confirmation
        if goal is None or confirmation is None or not self.confirmed:
            self._calm_wallet = wallet
            return
        vanished = abs(confirmation.quantity) - abs(position.quantity)
        if vanished <= 0 or confirmation.quantity * position.quantity < 0:
            self._calm_wallet = wallet if wallet is not None else self._calm_wallet
            return
        if wallet is not None and self._calm_wallet is not None:
            self.liquidated |= looks_liquidated(
                vanished=vanished,
                price=goal.price,
                leverage=goal.leverage,
                equity_before=self._calm_wallet,
                equity_now=wallet,
            )

    def decided(self, decision: Decision) -> None:
        """Record the decision of the last pass."""
        self.decision = decision
        if self.task is not None or self.orders.open:
            return
        if self.hold is not None and decision.plan.steps and not self.may_begin(decision):
            hold = self.hold
            self._enter(PhaseKind.HELD, reason=hold.reason, until=hold.until, retry=hold.retry)
        elif decision.plan.steps:
            self._enter(PhaseKind.DECIDING)
        else:
            self._rest(decision)

    def undecidable(self, reason: str) -> None:
        """Record that nothing can be decided because something needed is unknown. It replaces the earlier decision."""
        self.decision = Decision(status=Status.WAITING, reason=reason)
        if self.task is None:
            self._enter(PhaseKind.DECIDING, reason=reason)

    def is_news(self, topic: str) -> bool:
        """Mark a topic as reported; return whether it was not since the symbol was last at its target without any."""
        news = topic not in self._reported
        self._reported = self._reported | {topic}
        return news

    def nothing_to_report(self) -> None:
        """Clear what was reported: the symbol is where it should be."""
        self._reported = frozenset()

    def gives_up_correcting(self) -> bool:
        """Stop correcting drift until the target changes. Returns whether that is news."""
        news, self._gave_up = not self._gave_up, True
        return news

    # -- executing

    def begin(self, work: Coroutine[Any, Any, None], *, resolving: bool = False) -> asyncio.Task[None]:
        """Start the symbol's one task: an execution, or resolving the outcome of earlier orders."""
        self._enter(PhaseKind.RESOLVING if resolving else PhaseKind.EXECUTING)
        self.task = asyncio.create_task(work)
        return self.task

    def ended(self) -> None:
        """Record that the task has ended."""
        self.task = None
        if self.decision is not None and self.decision.status in (Status.AT_TARGET, Status.LIMITED):
            self._rest(self.decision)
        else:
            self._enter(PhaseKind.DECIDING)

    def resolving(self, reason: str) -> None:
        """Record why the outcome of an order is still unknown."""
        self._enter(PhaseKind.RESOLVING, reason=reason)

    def corrects(self) -> None:
        """Count one correction of drift."""
        now = self._monotonic()
        self._corrections = (*(at for at in self._corrections if at > now - CORRECTION_SPAN), now)

    def waits_for_others(self, *, waiting: bool) -> None:
        """Record whether other symbols wait until this one has reduced: then all are decided again."""
        self._awaited = waiting

    def mode_requested(self, *, leverage: bool, margin_mode: bool) -> None:
        """Record that a setting was requested: it is unknown until the exchange responds."""
        self.mode = replace(
            self.mode,
            leverage=None if leverage else self.mode.leverage,
            margin_mode=None if margin_mode else self.mode.margin_mode,
        )

    def mode_set(self, *, leverage: int | None = None, margin_mode: MarginMode | None = None) -> None:
        """Record that the exchange accepted a leverage or a margin mode."""
        if leverage is not None:
            tries = 1 + (self.mode.tries if leverage == self.mode.tried else 0)
            self.mode = replace(self.mode, leverage=Decimal(leverage), tries=tries, tried=leverage)
        if margin_mode is not None:
            self.mode = replace(self.mode, margin_mode=margin_mode, mode_at=self._monotonic())

    def mode_in_order(self, leverage: int, margin_mode: MarginMode) -> None:
        """Record leverage and margin mode that were sent as part of an order."""
        self.mode = replace(
            self.mode, leverage=Decimal(leverage), margin_mode=margin_mode, mode_at=self._monotonic()
        )

    # -- failing

    def failed(self, error: BaseException, *, reducing: bool, first: timedelta, last: timedelta) -> Hold:
        """Hold the symbol back after an error, for as long as the table of pauses defines."""
        self.hold = hold_after(
            error, self.hold, reducing=reducing, now=self._monotonic(), first=first, last=last
        )
        self._enter(PhaseKind.HELD, reason=self.hold.reason, until=self.hold.until, retry=self.hold.retry)
        return self.hold

    def missed(self, error: Exception, *, reducing: bool, first: timedelta, last: timedelta) -> Hold:
        """Hold the symbol back after orders that missed the goal: the first time without a pause."""
        failures = self.hold.failures if self.hold is not None else -1
        earlier = None if failures < 0 else self.hold
        hold = hold_after(error, earlier, reducing=reducing, now=self._monotonic(), first=first, last=last)
        if failures < 0:
            hold = replace(hold, until=self._monotonic(), failures=0, retry="at once")
        self.hold = hold
        return hold

    def held_until(self) -> float | None:
        """Return when a held-back symbol must be decided again (monotonic); None if it is not held back."""
        return self.hold.until if self.hold is not None else None

    def may_begin(self, decision: Decision) -> bool:
        """Return whether a decision may be executed now; False if it must wait for a pause to end."""
        if self.hold is None or self._monotonic() >= self.hold.until:
            return True
        return decision.plan.reduces and not self.hold.reduction

    # -- persisting

    def persist_failed(self, entry: Persisted) -> None:
        """Queue an entry that the journal did not accept: it must be persisted before the symbol's next order."""
        self.unpersisted = (*(one for one in self.unpersisted if self.still_counts(one)), entry)

    def take_unpersisted(self) -> tuple[Persisted, ...]:
        """Return the entries that must still be persisted, and clear the queue."""
        entries, self.unpersisted = self.unpersisted, ()
        return tuple(entry for entry in entries if self.still_counts(entry))

    def still_counts(self, entry: Persisted) -> bool:
        """Return whether an entry is still current: a newer one of its kind replaces it."""
        return isinstance(entry, OrderOutcome) or any(
            entry is one for one in (self.target, self.goal, self.confirmation)
        )

    def _rest(self, decision: Decision) -> None:
        """Enter a phase without work: the symbol is at its target, or something keeps it from getting there."""
        if decision.status is Status.AT_TARGET:
            self._enter(PhaseKind.RESTING)
        else:
            self._enter(PhaseKind.HELD, reason=decision.reason, retry="decided again after each read")

    def _enter(
        self, kind: PhaseKind, *, reason: str = "", until: float | None = None, retry: str = ""
    ) -> None:
        since = self.phase.since if self.phase.kind is kind else self._monotonic()
        self.phase = Phase(kind=kind, since=since, reason=reason, until=until, retry=retry)
