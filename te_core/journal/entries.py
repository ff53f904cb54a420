"""The statements that each entry executes, as pairs of a statement and its row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import singledispatch
from operator import attrgetter
from typing import Any

from te_core.journal import statements
from te_core.journal.snapshot import AccountRecord, OldTallies
from te_core.journal.statements import Row, Statement
from te_core.model.breaker import BreakerRecord
from te_core.model.control import Control, ControlState
from te_core.model.event import Event
from te_core.model.money import EquitySample, Fill, Flow, Tally
from te_core.model.order import BestPrice, Intent, IntentState, OrderOutcome
from te_core.model.signal import QuarantinedInput, Signal
from te_core.model.target import Confirmation, Goal, Target
from te_core.secrets import Redact, ordering, redacted

Entry = (
    Signal
    | QuarantinedInput
    | Target
    | Goal
    | Intent
    | OrderOutcome
    | Confirmation
    | Event
    | AccountRecord
    | Control
    | Fill
    | Flow
    | EquitySample
    | BreakerRecord
    | BestPrice
    | Tally
    | OldTallies
)
Statements = tuple[tuple[Statement, Row], ...]
_TIGHTENING = (
    ControlState.HALTED,
    ControlState.FLAT,
    ControlState.FOREIGN,
    ControlState.OBSERVING,
    ControlState.STOPPED,
)
"""States of controls that are persisted even on a full disk."""
Columns = Callable[[Any], Row]


def _columns(entry: type) -> Columns:
    """Return a function that converts an entry into its row: one column per field."""
    names = tuple(field.name for field in fields(entry))
    values = attrgetter(*names)
    return lambda value: dict(zip(names, values(value), strict=True))


_SIGNAL, _QUARANTINED, _EVENT, _TARGET = map(_columns, (Signal, QuarantinedInput, Event, Target))
_GOAL, _CONFIRMATION, _INTENT, _ACCOUNT = map(_columns, (Goal, Confirmation, Intent, AccountRecord))
_CONTROL, _BEST_PRICE, _TALLY = map(_columns, (Control, BestPrice, Tally))
_FILL, _FLOW, _SAMPLE, _BREAKER = map(_columns, (Fill, Flow, EquitySample, BreakerRecord))
_OPEN = {"state": IntentState.OPEN, "settled_at": None, "filled": None, "average_price": None, "reason": ""}


def reduces(entry: Entry) -> bool:
    """Return whether an entry only serves to reduce positions, so that it is recorded even on a full disk.

    Outcomes count, whatever their order was: they add no risk, and later steps depend on them.
    """
    match entry:
        case Intent():
            return entry.reduce_only
        case Target() | Signal():
            return entry.depth == 0
        case Goal():
            return entry.quantity == 0
        case Control():
            return entry.state in _TIGHTENING
    return isinstance(entry, OrderOutcome | Confirmation | AccountRecord | BreakerRecord | BestPrice)


class EntryEncoder:
    """Converts entries into rows: numbers them, and redacts text that came from outside."""

    def __init__(self, *, numbers: Iterator[int], quarantine_limit: int, redact: Redact) -> None:
        self.quarantine_limit = quarantine_limit
        self.redact = redact
        self._numbers = numbers

    def statements_of(self, entry: Entry) -> Statements:
        """Return the statements of an entry. Raise `TypeError` for anything that is not an entry."""
        return _statements_of(entry, self)

    def row(self, columns: Columns, entry: Entry, *from_outside: str) -> Row:
        """Return an entry's row with its number, and with the columns ``from_outside`` redacted."""
        row = columns(entry)
        row["number"] = next(self._numbers)
        for name in from_outside:
            row[name] = redacted(row[name], self.redact)
        return row


@singledispatch
def _statements_of(entry: object, encoder: EntryEncoder) -> Statements:
    del encoder
    raise TypeError(f"{type(entry).__name__} is not a journal entry")


@_statements_of.register
def _(entry: Signal, encoder: EntryEncoder) -> Statements:
    row = encoder.row(_SIGNAL, entry, "rule", "detail")
    if entry.sequence is not None:
        row["sequence"] = ordering(entry.sequence, encoder.redact)
    if not entry.current:
        return ((statements.ADD_SIGNAL, row),)
    latest = {name: row[name] for name in ("source", "symbol", "number")}
    return (statements.ADD_SIGNAL, row), (statements.LATEST_SIGNAL, latest)


@_statements_of.register
def _(entry: QuarantinedInput, encoder: EntryEncoder) -> Statements:
    row = encoder.row(_QUARANTINED, entry, "field", "reason", "body")
    trim = {"of": entry.source, "limit": encoder.quarantine_limit}
    return (statements.ADD_QUARANTINE, row), (statements.TRIM_QUARANTINE, trim)


@_statements_of.register
def _(entry: Event, encoder: EntryEncoder) -> Statements:
    return ((statements.ADD_EVENT, encoder.row(_EVENT, entry, "text", "detail")),)


@_statements_of.register
def _(entry: Target, encoder: EntryEncoder) -> Statements:
    row = encoder.row(_TARGET, entry)
    book = _pointer(entry, target=row["number"], revision=entry.revision)
    return (statements.ADD_TARGET, row), (statements.BOOK_TARGET, book)


@_statements_of.register
def _(entry: Goal, encoder: EntryEncoder) -> Statements:
    row = encoder.row(_GOAL, entry)
    book = _pointer(entry, goal=row["number"])
    return (statements.ADD_GOAL, row), (statements.BOOK_GOAL, book)


@_statements_of.register
def _(entry: Confirmation, encoder: EntryEncoder) -> Statements:
    row = encoder.row(_CONFIRMATION, entry)
    book = _pointer(entry, confirmation=row["number"])
    return (statements.ADD_CONFIRMATION, row), (statements.BOOK_CONFIRMATION, book)


@_statements_of.register
def _(entry: Intent, encoder: EntryEncoder) -> Statements:
    return ((statements.RECORD_INTENT, {**encoder.row(_INTENT, entry), **_OPEN}),)


@_statements_of.register
def _(entry: OrderOutcome, encoder: EntryEncoder) -> Statements:
    row = {
        "order_id": entry.client_order_id,
        "state": entry.state,
        "settled_at": entry.at,
        "filled": entry.filled,
        "average_price": entry.average_price,
        "reason": encoder.redact(entry.reason),
    }
    return ((statements.RESOLVE_INTENT, row),)


@_statements_of.register
def _(entry: AccountRecord, encoder: EntryEncoder) -> Statements:
    del encoder
    return ((statements.IDENTIFY_ACCOUNT, _ACCOUNT(entry)),)


@_statements_of.register
def _(entry: Control, encoder: EntryEncoder) -> Statements:
    return ((statements.STANDING_CONTROL, encoder.row(_CONTROL, entry, "by", "reason", "held")),)


@_statements_of.register
def _(entry: Fill, encoder: EntryEncoder) -> Statements:
    return ((statements.RECORD_FILL, encoder.row(_FILL, entry, "fee_currency")),)


@_statements_of.register
def _(entry: Flow, encoder: EntryEncoder) -> Statements:
    return ((statements.RECORD_FLOW, encoder.row(_FLOW, entry, "key")),)


@_statements_of.register
def _(entry: EquitySample, encoder: EntryEncoder) -> Statements:
    return ((statements.ADD_EQUITY, encoder.row(_SAMPLE, entry)),)


@_statements_of.register
def _(entry: Tally, encoder: EntryEncoder) -> Statements:
    del encoder
    return ((statements.WRITE_TALLY, _TALLY(entry)),)


@_statements_of.register
def _(entry: OldTallies, encoder: EntryEncoder) -> Statements:
    del encoder
    row = {
        "of_symbol": entry.symbol,
        "of_account": entry.account,
        "first": entry.first,
        "beyond": entry.beyond,
    }
    return ((statements.THIN_TALLIES, row),)


@_statements_of.register
def _(entry: BreakerRecord, encoder: EntryEncoder) -> Statements:
    return ((statements.WRITE_BREAKER, encoder.row(_BREAKER, entry)),)


@_statements_of.register
def _(entry: BestPrice, encoder: EntryEncoder) -> Statements:
    del encoder
    return ((statements.BEST_PRICE, _BEST_PRICE(entry)),)


def _pointer(entry: Target | Goal | Confirmation, **value: int) -> Row:
    return {"account": entry.account, "symbol": entry.symbol, **value}
