"""The tables. Those that store a model value have one column per field, whose type follows from the field's type.

``number`` counts all entries of the journal, so it also orders them. Every table is history that grows until
retention, except ``latest_signals`` and ``books``, which point at what is active, and ``accounts``: they stay small,
as do ``controls`` (the newest command of each kind, scope and symbol), ``breakers`` and ``best_prices``. ``tallies``
has a row per symbol and hour, after two weeks per day, and is never deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_type_hints

from sqlalchemy import Boolean, Column, Index, MetaData, Table, literal_column
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from te_core.journal.columns import (
    Amount,
    Amounts,
    ExitLevels,
    Json,
    Notes,
    Terms,
    Timestamp,
    Whole,
    Words,
    choice,
)
from te_core.journal.snapshot import AccountRecord
from te_core.model.breaker import BreakerRecord
from te_core.model.control import Control
from te_core.model.event import Event
from te_core.model.exits import Exits
from te_core.model.money import EquitySample, Fill, Flow, Tally
from te_core.model.order import BestPrice, Intent, IntentState
from te_core.model.signal import QuarantinedInput, Signal
from te_core.model.target import Confirmation, Goal, Target, Term

metadata = MetaData()

_TYPES: dict[Any, TypeEngine[Any]] = {
    str: Words,
    int: Whole,
    bool: Boolean(),
    Decimal: Amount,
    datetime: Timestamp,
    Mapping[str, Any]: Json,
    Mapping[str, Decimal]: Amounts,
    tuple[str, ...]: Notes,
    tuple[Term, ...]: Terms,
    Exits: ExitLevels,
}


def _column(name: str, hint: Any, *, key: bool = False) -> Column[Any]:
    kinds = (
        [kind for kind in get_args(hint) if kind is not NoneType] if NoneType in get_args(hint) else [hint]
    )
    kind = kinds[0]
    made = choice(kind) if isinstance(kind, type) and issubclass(kind, StrEnum) else _TYPES[kind]
    return Column(name, made, primary_key=key, autoincrement=False, nullable=kind is not hint)


def _history(name: str, entry: type, *more: SchemaItem) -> Table:
    hints = get_type_hints(entry)
    columns = [_column(field.name, hints[field.name]) for field in fields(entry)]
    return Table(name, metadata, _column("number", int, key=True), *columns, *more)


meta = Table("meta", metadata, _column("key", str, key=True), _column("value", str))

signals = _history("signals", Signal, Index("signals_received", "received_at"))
quarantine = _history("quarantine", QuarantinedInput, Index("quarantine_source", "source", "number"))
targets = _history("targets", Target, Index("targets_revision", "account", "symbol", "revision", unique=True))
goals = _history("goals", Goal, Index("goals_symbol", "account", "symbol", "number"))
intents = _history(
    "intents",
    Intent,
    _column("state", IntentState),
    _column("settled_at", datetime | None),
    _column("filled", Decimal | None),
    _column("average_price", Decimal | None),
    _column("reason", str),
    Index("intents_client_order_id", "client_order_id", unique=True),
    Index("intents_step", "account", "symbol", "revision", "step"),
)
confirmations = _history("confirmations", Confirmation)
events = _history("events", Event)
fills = _history(
    "fills",
    Fill,
    Index("fills_order", "client_order_id", unique=True),
    Index("fills_account", "account", "at"),
)
flows = _history("flows", Flow, Index("flows_key", "account", "key", unique=True))
equity = _history("equity", EquitySample, Index("equity_account", "account", "at"))

HISTORY = (signals, quarantine, targets, goals, intents, confirmations, events, fills, flows, equity)

# A database uses a partial index only for a query that states the same condition, with a constant.
is_open = intents.c.state == literal_column(f"'{IntentState.OPEN}'")
Index("intents_open", intents.c.number, sqlite_where=is_open, postgresql_where=is_open)

latest_signals = Table(
    "latest_signals",
    metadata,
    _column("source", str, key=True),
    _column("symbol", str, key=True),
    _column("number", int),
)

books = Table(
    "books",
    metadata,
    _column("account", str, key=True),
    _column("symbol", str, key=True),
    _column("revision", int | None),
    _column("target", int | None),
    _column("goal", int | None),
    _column("confirmation", int | None),
)

_IDENTITY = get_type_hints(AccountRecord)
accounts = Table(
    "accounts", metadata, *(_column(name, hint, key=name == "book") for name, hint in _IDENTITY.items())
)

_BEST = get_type_hints(BestPrice)
best_prices = Table(
    "best_prices",
    metadata,
    *(_column(name, hint, key=name in ("account", "symbol")) for name, hint in _BEST.items()),
)

_TALLY = get_type_hints(Tally)
TALLY_KEY = ("symbol", "account", "hour")
tallies = Table(
    "tallies",
    metadata,
    *(_column(name, _TALLY[name], key=True) for name in TALLY_KEY),
    *(_column(name, hint) for name, hint in _TALLY.items() if name not in TALLY_KEY),
    sqlite_with_rowid=False,
)

_CONTROL = get_type_hints(Control)
CONTROL_KEY = ("topic", "scope", "symbol")
controls = Table(
    "controls",
    metadata,
    *(_column(name, hint, key=name in CONTROL_KEY) for name, hint in _CONTROL.items()),
    _column("number", int),
)

_BREAKER = get_type_hints(BreakerRecord)
breakers = Table(
    "breakers",
    metadata,
    *(_column(name, hint, key=name == "scope") for name, hint in _BREAKER.items()),
    _column("number", int),
)
