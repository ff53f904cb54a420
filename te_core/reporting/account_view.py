"""The state of an account by its task and its last reads, and the state of its symbols."""

from __future__ import annotations

from dataclasses import dataclass

from te_core.accounts.keeper import Keeper
from te_core.accounts.worker import AccountWorker
from te_core.model.target import Goal
from te_core.reporting.symbol_view import UNREADABLE, SymbolView, duration
from te_core.rules.decision import Status
from te_core.runtime.instances import AccountRunner
from te_core.runtime.supervisor import Running
from te_core.texts import plain

READS = ("positions", "equity", "prices", "instruments")
"""What must be readable of a connected account; it can be traded without its stream."""

NOT_YET = "not read yet"
OBSERVING = "observing"

READ_TIME = 15.0
"""Seconds that a regular read may be late before its result is considered too old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """One account at one moment."""

    status: str
    """The instance's; ``starting`` until it is read, ``unreadable`` while it runs and reads fail, or ``observing``."""
    reason: str
    unready: str
    """Why it is not ready; empty if it is ready, or does not have to be."""
    unreadable: str
    """Why its positions are unknown at present; empty if they are known."""
    read_age: float | None
    """Seconds since its positions were last read; None if not yet."""
    fresh_for: float
    """Seconds for which a read is considered current."""


def account_view(runner: AccountRunner, now: float) -> AccountView:
    """Return the view of an account. ``now``: the steady clock."""
    worker, health = runner.worker, runner.health
    read_at = worker.beliefs.read_at
    read_age = None if read_at is None else max(now - read_at, 0.0)
    fresh_for = 2 * worker.settings.engine.resync.total_seconds() + READ_TIME
    rests = not worker.settings.enabled and worker.at_rest
    status, unready = str(Running.DISABLED if rests else health.status), ""
    unreadable = "the account is disabled and is not read"
    if status not in (Running.DISABLED, Running.RUNNING):
        unready = unreadable = ": ".join(part for part in (status, plain_or_empty(health.reason)) if part)
    elif status == Running.RUNNING:
        unreadable = _why_positions_are_unknown(runner, read_age, fresh_for)
        if why := runner.outages.reason_of(READS) or unreadable:
            status = str(Running.STARTING) if why == NOT_YET else UNREADABLE
            unready = f"{status}: {why}"
        elif worker.observing:
            status = OBSERVING
    reason = plain_or_empty(health.reason) or worker.last_error() or (unreadable if unready else "")
    return AccountView(
        status=status,
        reason=reason or (worker.observing if status == OBSERVING else ""),
        unready=unready,
        unreadable=unreadable,
        read_age=read_age,
        fresh_for=fresh_for,
    )


def symbol_view(keeper: Keeper, worker: AccountWorker, account: AccountView, now: float) -> SymbolView:
    """Return the view of a symbol that has a target. The only code in reporting that reads a keeper's internals."""
    target, goal, phase = keeper.target, shown_goal(keeper), keeper.phase
    assert target is not None
    evidence, shown = worker.beliefs.evidence(keeper.symbol), keeper.confirmation
    return SymbolView(
        depth=target.depth,
        leverage=target.leverage,
        revision=target.revision,
        quantity=goal.quantity if goal is not None and goal.revision == target.revision else None,
        confirmed=keeper.confirmed,
        status=str(keeper.status),
        reason=keeper.reason,
        phase=str(phase.kind),
        phase_age=max(now - phase.since, 0.0),
        phase_reason=phase.reason,
        retry_in=None if phase.until is None else max(phase.until - now, 0.0),
        retry=phase.retry,
        limited=keeper.limited,
        stops=keeper.stops.in_words(),
        halt=keeper.standing.halt,
        read_age=max(now - evidence.seen_at, 0.0) if evidence.seen else None,
        fresh_for=account.fresh_for,
        unreadable=account.unreadable or evidence.doubt,
        notes=goal.notes if goal is not None and goal.revision == target.revision else (),
        limited_by=keeper.decision.limit if keeper.decision is not None and keeper.limited else "",
        last_order_age=None if keeper.orders.last_at is None else max(now - keeper.orders.last_at, 0.0),
        last_confirmed=None if evidence.seen or shown is None else (shown.quantity, shown.at),
    )


def shown_goal(keeper: Keeper) -> Goal | None:
    """Return the active goal; for an observing account the hypothetical one, which is never adopted."""
    decision = keeper.decision
    if decision is not None and decision.status is Status.OBSERVING and decision.goal is not None:
        return decision.goal
    return keeper.goal


def plain_or_empty(reason: str) -> str:
    """Return a reason as one plain line; an empty reason stays empty."""
    return plain(reason) if reason else ""


def _why_positions_are_unknown(runner: AccountRunner, read_age: float | None, fresh_for: float) -> str:
    failing = runner.outages.reason_of(("positions",))
    if failing or (read_age is not None and read_age <= fresh_for):
        return failing
    return NOT_YET if read_age is None else f"not read for {duration(read_age)}"
