"""Values that the journal returns."""

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
    """The active state of one account and symbol."""

    target: Target
    goal: Goal | None = None
    """The latest, of any revision."""
    confirmation: Confirmation | None = None
    """The latest."""
    last_step: int = 0
    """The largest step among the intents of the target's revision, whatever their outcome; 0 if there is none."""
    last_outcome_at: datetime | None = None
    """When the outcome of the latest order that may have changed the position became known, of any revision."""
    increased_since_confirmed: bool = False
    """Whether an order that was not reduce-only was executed after the confirmation."""
    best: BestPrice | None = None
    """The best price for the position since it was opened, if a stop trails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRecord:
    """An account that the engine has connected to: its identity, and the key of all its entries in the journal."""

    book: str
    """The value of ``account`` in targets, goals, intents and confirmations."""
    name: str
    """Its last name in the settings."""
    plugin: str
    host: str
    uid: str
    seen_at: datetime
    paper: bool = False
    """Whether it is a paper account, without real money."""
    currency: str = ""
    """The currency of its value; empty if only an earlier version has connected to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldTallies:
    """Whole days, as a range of hours, of which only the last tally of each day is still needed."""

    account: str
    symbol: str
    first: int
    beyond: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSnapshot:
    """The whole active state."""

    signals: tuple[Signal, ...]
    """The newest current ones per source and symbol."""
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
    """An intent and its outcome, which is None while the intent is open."""

    intent: Intent
    state: IntentState
    outcome: OrderOutcome | None
