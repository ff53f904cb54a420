"""What the journal gives back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from te_core.model.breaker import BreakerRecord
from te_core.model.control import Control
from te_core.model.money import EquitySample
from te_core.model.order import BestPrice, Intent, IntentState, OrderOutcome
from te_core.model.signal import Signal
from te_core.model.target import Confirmation, Goal, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolRecord:
    """What is in force for one account and symbol.

    ``goal``: the latest, of any revision. ``confirmation``: the latest. ``last_step``: the largest step among the
    intents of the target's revision, whatever became of them; 0 if there is none. ``last_outcome_at``: when the
    outcome of the latest order of any revision was learnt that may have changed the position;
    ``increased_since_confirmed``: an order that was not reduce-only was executed after the confirmation. ``best``: the
    best price for the position since it was opened, where a stop trails.
    """

    target: Target
    goal: Goal | None = None
    confirmation: Confirmation | None = None
    last_step: int = 0
    last_outcome_at: datetime | None = None
    increased_since_confirmed: bool = False
    best: BestPrice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRecord:
    """An account that the engine has met: who it is, and the key of everything that the journal has about it."""

    book: str
    """What stands as ``account`` in targets, goals, intents and confirmations."""
    name: str
    """What the settings called it last."""
    plugin: str
    host: str
    uid: str
    seen_at: datetime
    paper: bool = False
    """Whether its money is not real."""
    currency: str = ""
    """What its value is in; empty where an earlier version met it last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldTallies:
    """Whole days, by their hours, of which from now on the last tally of each is enough."""

    account: str
    symbol: str
    first: int
    beyond: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSnapshot:
    """Everything in force: ``signals`` are the newest current ones per source and symbol."""

    signals: tuple[Signal, ...]
    books: dict[tuple[str, str], SymbolRecord]
    open_intents: tuple[Intent, ...]
    accounts: tuple[AccountRecord, ...] = ()
    controls: tuple[Control, ...] = ()
    """Standing commands, oldest first."""
    equity: tuple[EquitySample, ...] = ()
    """The newest sample of each account."""
    breakers: tuple[BreakerRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRecord:
    """An intent and what became of it; ``outcome`` is None while it is open."""

    intent: Intent
    state: IntentState
    outcome: OrderOutcome | None
