"""The books of an account as values: what they continue from, and how they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from te_core.contracts.observer import FinishedOrder, PositionChange
from te_core.journal.entries import Entry
from te_core.model.event import Event
from te_core.model.money import EquitySample
from te_core.rules.profit import Change, Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """A change in an account's books."""

    account: str
    book: str
    money: Money
    change: Change
    entries: tuple[Entry, ...] = ()
    """To be journaled together with whatever follows from the change."""
    slipped: tuple[str, Decimal] | None = None
    """A symbol, and the fraction by which an order's price was worse than its signal's."""
    rejected: datetime | None = None
    """When the exchange rejected an order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The state of an account's books in the journal as of ``at``, and the callbacks for changes."""

    money: Money | None = None
    at: datetime | None = None
    seen: EquitySample | None = None
    """The last sample of the account's value."""
    report: Callable[[Books], None] | None = None
    notify: Callable[[Event], None] = lambda _: None
    """Notify about something that the journal has already."""
    show: Callable[[Callable[[], FinishedOrder | PositionChange]], None] = lambda _: None
    """Pass a value to observers; it is built only if there are any."""
    currency: str = ""
    """The account's currency; empty if unknown."""
    would_trip: Callable[[Change], bool] = lambda _: False
    """Return whether a breaker would trip if this change were counted."""
