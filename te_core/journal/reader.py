"""Read the journal: the active state, and the history, newest first. Reads never block the writer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    and_,
    bindparam,
    exists,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from te_core.errors import JournalError, SignalRejected
from te_core.journal import database, schema, tables
from te_core.journal.snapshot import AccountRecord, IntentRecord, JournalSnapshot, SymbolRecord
from te_core.journal.tables import books, confirmations, goals, intents, latest_signals, signals, targets
from te_core.model.breaker import BreakerRecord
from te_core.model.control import Control
from te_core.model.event import Event
from te_core.model.money import EquitySample, Fill, Flow, Tally
from te_core.model.order import BestPrice, Intent, IntentState, OrderOutcome
from te_core.model.signal import QuarantinedInput, Signal
from te_core.model.target import Confirmation, Goal, Target

T = TypeVar("T")

ZERO = Decimal(0)
MOST_UNASKED = 2_000
"""Newest intents among which a start searches for those whose fill is not recorded."""
MOST_ORDERS = 10_000
"""Newest intents that ``orders_since`` reads: far more than exchanges accept in a minute."""


class JournalReader:
    """Reads a journal, even while an engine writes it. Every method raises `JournalError` if it cannot read."""

    def __init__(self, path: Path) -> None:
        """Open for reading only, without a lock and without any change, even to an older schema."""
        schema.check_file(path, writable=False)
        self.path = path
        self._database = database.connect(path, readonly=True)
        with self._snapshot() as connection:
            schema.check_readable(connection, path)

    def close(self) -> None:
        """Release the file."""
        self._database.dispose()

    def snapshot(self) -> JournalSnapshot:
        """Return the active state. The cost grows with the number of symbols, not with the history (I10)."""
        with self._snapshot() as connection:
            return JournalSnapshot(
                signals=tuple(_all(connection, Signal, LATEST)),
                books=_books(connection),
                open_intents=tuple(_all(connection, Intent, OPEN_INTENTS)),
                accounts=tuple(_all(connection, AccountRecord, ACCOUNTS)),
                controls=tuple(_all(connection, Control, CONTROLS)),
                equity=tuple(_all(connection, EquitySample, LAST_SEEN)),
                breakers=tuple(_all(connection, BreakerRecord, BREAKERS)),
            )

    def accounts(self) -> Sequence[AccountRecord]:
        """Return every account that the engine has ever connected to, ordered by book."""
        with self._snapshot() as connection:
            return _all(connection, AccountRecord, ACCOUNTS)

    def orders_since(self, at: datetime) -> Mapping[str, Sequence[datetime]]:
        """Return when each account's orders were created since ``at``, oldest first; the keys are books.

        Orders that were certainly never sent are not counted; those whose outcome is open are. Orders from when the
        wall clock was ahead have times in the future.
        """
        return self._times(ORDERS_SINCE, at)

    def rejected_since(self, at: datetime) -> Mapping[str, Sequence[datetime]]:
        """Return when orders that the exchange rejected were created since ``at``, by book; among the newest orders."""
        return self._times(REJECTED_SINCE, at)

    def refused_since(self, at: datetime) -> Mapping[str, Sequence[datetime]]:
        """Return when input was refused since ``at``, by source, as far as it is still stored."""
        return self._times(REFUSED_SINCE, at)

    def _times(self, wanted: Select[Any], at: datetime) -> Mapping[str, Sequence[datetime]]:
        found: defaultdict[str, list[datetime]] = defaultdict(list)
        with self._snapshot() as connection:
            for name, time in connection.execute(wanted, {"since": at}):
                found[name].append(time)
        return {name: sorted(times) for name, times in found.items()}

    def largest_positions(self) -> Mapping[tuple[str, str], Decimal]:
        """Return, by book and symbol, the largest position that may be held according to the journal.

        Base units, unsigned: the confirmed position and every order since that was or may have been executed.
        """
        bounds: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
        with self._snapshot() as connection:
            for row in connection.execute(ORDERS_SINCE_CONFIRMED):
                low, high = bounds.get((row.account, row.symbol), (row.shown or ZERO,) * 2)
                if row.side is not None:
                    unsure = row.state is IntentState.OPEN or row.filled is None
                    sizes = (ZERO, row.quantity) if unsure else (row.filled,)
                    changes = [row.side.sign * size for size in sizes]
                    low, high = low + min(changes), high + max(changes)
                bounds[row.account, row.symbol] = low, high
        return {key: max(abs(low), abs(high)) for key, (low, high) in bounds.items()}

    def deliveries(self, since: datetime) -> dict[tuple[str, str], datetime]:
        """Return when each delivery id of a source was last received, since ``since``."""
        wanted = (
            select(signals.c.source, signals.c.delivery_id, signals.c.received_at)
            .where(signals.c.received_at >= since, signals.c.delivery_id.is_not(None))
            .order_by(signals.c.received_at)
        )
        with self._snapshot() as connection:
            return {(source, delivery): at for source, delivery, at in connection.execute(wanted)}

    def superseded(self, since: datetime) -> Sequence[Signal]:
        """Return the last signal of each source and symbol that came after the active one and did not replace it.

        Only those received since ``since`` are read.
        """
        lasts = (
            select(func.max(signals.c.number))
            .join_from(latest_signals, signals, _after_latest)
            .where(signals.c.received_at >= since)
            .group_by(signals.c.source, signals.c.symbol)
        )
        wanted = _columns(Signal, signals).where(signals.c.number.in_(lasts)).order_by(signals.c.number)
        with self._snapshot() as connection:
            return _all(connection, Signal, wanted)

    def signals(
        self, limit: int, *, source: str | None = None, symbol: str | None = None
    ) -> Sequence[Signal]:
        """Return the newest signals, accepted or superseded."""
        return self._newest(Signal, signals, limit, source=source, symbol=symbol)

    def quarantine(self, limit: int, *, source: str | None = None) -> Sequence[QuarantinedInput]:
        """Return the newest refused inputs."""
        return self._newest(QuarantinedInput, tables.quarantine, limit, source=source)

    def events(self, limit: int, *, account: str | None = None, symbol: str | None = None) -> Sequence[Event]:
        """Return the newest events."""
        return self._newest(Event, tables.events, limit, account=account, symbol=symbol)

    def targets(self, limit: int, *, account: str, symbol: str) -> Sequence[Target]:
        """Return the newest targets of a symbol of an account."""
        wanted = _columns(Target, targets).where(*_equal(targets, account=account, symbol=symbol))
        with self._snapshot() as connection:
            return _all(connection, Target, wanted.order_by(targets.c.revision.desc()).limit(limit))

    def goals(self, limit: int, *, account: str, symbol: str) -> Sequence[Goal]:
        """Return the newest goals of a symbol of an account."""
        return self._newest(Goal, goals, limit, account=account, symbol=symbol)

    def intents(
        self,
        limit: int,
        *,
        account: str | None = None,
        symbol: str | None = None,
        client_order_ids: Sequence[str] | None = None,
    ) -> Sequence[IntentRecord]:
        """Return the newest intents with their outcomes."""
        wanted = select(intents).order_by(intents.c.number.desc()).limit(limit)
        wanted = wanted.where(*_equal(intents, account=account, symbol=symbol))
        if client_order_ids is not None:
            wanted = wanted.where(intents.c.client_order_id.in_(client_order_ids))
        with self._snapshot() as connection:
            return [record_of(row) for row in connection.execute(wanted).mappings()]

    def fills(self, limit: int, *, account: str | None = None, symbol: str | None = None) -> Sequence[Fill]:
        """Return the newest fills of orders."""
        return self._newest(Fill, tables.fills, limit, account=account, symbol=symbol)

    def flows(self, limit: int, *, account: str | None = None) -> Sequence[Flow]:
        """Return the newest payments without an order."""
        return self._newest(Flow, tables.flows, limit, account=account)

    def equity(self, limit: int, *, account: str | None = None) -> Sequence[EquitySample]:
        """Return the newest equity samples of accounts."""
        return self._newest(EquitySample, tables.equity, limit, account=account)

    def equity_at(self, account: str, at: datetime) -> EquitySample | None:
        """Return an account's equity at a time: the last sample until then, or else the first one after it."""
        samples = _columns(EquitySample, tables.equity).where(tables.equity.c.account == account).limit(1)
        when = tables.equity.c.at
        with self._snapshot() as connection:
            found = _all(connection, EquitySample, samples.where(when <= at).order_by(when.desc()))
            found = found or _all(connection, EquitySample, samples.where(when > at).order_by(when))
            return found[0] if found else None

    def flows_since(self, account: str, at: datetime) -> Sequence[Flow]:
        """Return the payments of an account after a time."""
        wanted = _columns(Flow, tables.flows).where(tables.flows.c.account == account, tables.flows.c.at > at)
        with self._snapshot() as connection:
            return _all(connection, Flow, wanted)

    def tallies(self, account: str) -> Sequence[Tally]:
        """Return the last tally of each symbol of an account, and of the whole account."""
        with self._snapshot() as connection:
            return _all(connection, Tally, LAST_TALLIES.where(tables.tallies.c.account == account))

    def unasked(self, account: str, since: datetime, limit: int) -> Sequence[IntentRecord]:
        """Return the newest executed orders of an account, resolved since ``since``, whose fill is not recorded."""
        recorded = exists().where(tables.fills.c.client_order_id == _candidates.c.client_order_id)
        wanted = (
            select(_candidates)
            .where(_candidates.c.account == account, _candidates.c.settled_at >= since, not_(recorded))
            .limit(limit)
        )
        with self._snapshot() as connection:
            rows = connection.execute(wanted).mappings()
            return [record_of(row) for row in rows if row["filled"]]

    def read(self, question: Callable[[Connection], T]) -> T:
        """Return the result of a query on one consistent state of the journal; see ``te_core.journal.pages``."""
        with self._snapshot() as connection:
            return question(connection)

    def _newest(self, entry: type[T], table: Table, limit: int, **equal: str | None) -> Sequence[T]:
        wanted = _columns(entry, table).where(*_equal(table, **equal))
        with self._snapshot() as connection:
            return _all(connection, entry, wanted.order_by(table.c.number.desc()).limit(limit))

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        try:
            with self._database.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise database.explained(self.path, error) from error
        except (SignalRejected, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise JournalError(
                f"journal {self.path}: a row has invalid values: {error} ({database.DAMAGED})"
            ) from error


def _columns(entry: type, table: Table) -> Select[Any]:
    return select(*(table.c[field.name] for field in fields(entry)))


def _equal(table: Table, **values: str | None) -> list[ColumnElement[bool]]:
    return [table.c[name] == value for name, value in values.items() if value is not None]


def _all(connection: Connection, entry: type[T], wanted: Select[Any]) -> list[T]:
    return [entry(**row) for row in connection.execute(wanted).mappings()]


_same_book = and_(books.c.account == intents.c.account, books.c.symbol == intents.c.symbol)
_last_step = (
    select(intents.c.step)
    .where(_same_book, intents.c.revision == books.c.revision)
    .order_by(intents.c.step.desc())
    .limit(1)
    .scalar_subquery()
)
_newest_outcome = (
    select(intents.c.settled_at)
    .where(
        _same_book,
        intents.c.state.in_((IntentState.FILLED, IntentState.CANCELLED)),
        # A stop that ended without a fill changed nothing.
        or_(intents.c.stop.is_(None), intents.c.state == IntentState.FILLED, intents.c.filled != ZERO),
    )
    .order_by(intents.c.revision.desc(), intents.c.step.desc(), intents.c.number.desc())
    .limit(1)
)
_last_outcome_at = _newest_outcome.scalar_subquery()
_after_confirmation = or_(
    intents.c.revision > confirmations.c.revision,
    and_(
        intents.c.revision == confirmations.c.revision,
        # Steps give the order whatever the wall clock did; earlier journals have times only.
        or_(
            intents.c.step > confirmations.c.step,
            and_(confirmations.c.step.is_(None), intents.c.settled_at > confirmations.c.at),
        ),
    ),
)
_increased_since_confirmed = exists().where(
    _same_book,
    intents.c.reduce_only.is_(False),
    intents.c.state.in_((IntentState.FILLED, IntentState.CANCELLED)),
    _after_confirmation,
)
_after_latest = and_(
    latest_signals.c.source == signals.c.source,
    latest_signals.c.symbol == signals.c.symbol,
    latest_signals.c.number < signals.c.number,
)
LATEST = (
    _columns(Signal, signals)
    .join_from(latest_signals, signals, latest_signals.c.number == signals.c.number)
    .order_by(latest_signals.c.source, latest_signals.c.symbol)
)
OPEN_INTENTS = _columns(Intent, intents).where(tables.is_open).order_by(intents.c.number)
TARGETS = _columns(Target, targets).join_from(books, targets, books.c.target == targets.c.number)
GOALS = _columns(Goal, goals).join_from(books, goals, books.c.goal == goals.c.number)
CONFIRMATIONS = _columns(Confirmation, confirmations).join_from(
    books, confirmations, books.c.confirmation == confirmations.c.number
)
ORDERS = select(
    books.c.account,
    books.c.symbol,
    _last_step.label("step"),
    _last_outcome_at.label("at"),
    _increased_since_confirmed.label("increased"),
).select_from(books.outerjoin(confirmations, books.c.confirmation == confirmations.c.number))


ACCOUNTS = _columns(AccountRecord, tables.accounts).order_by(tables.accounts.c.book)
BEST_PRICES = _columns(BestPrice, tables.best_prices)
CONTROLS = _columns(Control, tables.controls).order_by(tables.controls.c.number)
BREAKERS = _columns(BreakerRecord, tables.breakers).order_by(tables.breakers.c.scope)
_samples = tables.equity.alias()
_last_samples = (
    select(_samples.c.number)
    .where(_samples.c.account == tables.accounts.c.book)
    .order_by(_samples.c.at.desc(), _samples.c.number.desc())
    .limit(1)
    .scalar_subquery()
)
LAST_SEEN = (
    _columns(EquitySample, tables.equity)
    .join_from(tables.accounts, tables.equity, tables.equity.c.number == _last_samples)
    .order_by(tables.equity.c.account)
)
_later = tables.tallies.alias()
_same_tally = and_(_later.c.symbol == tables.tallies.c.symbol, _later.c.account == tables.tallies.c.account)
LAST_TALLIES = (
    _columns(Tally, tables.tallies)
    .where(~exists().where(_same_tally, _later.c.hour > tables.tallies.c.hour))
    .order_by(tables.tallies.c.symbol)
)
_candidates = select(intents).order_by(intents.c.number.desc()).limit(MOST_UNASKED).subquery()
_newest_intents = (
    select(intents.c.account, intents.c.created_at, intents.c.state)
    .order_by(intents.c.number.desc())
    .limit(MOST_ORDERS)
    .subquery()
)
# No index of times: it would cost every order a page, for a query that runs once per start.
ORDERS_SINCE = select(_newest_intents.c.account, _newest_intents.c.created_at).where(
    _newest_intents.c.created_at >= bindparam("since"),
    _newest_intents.c.state.not_in((IntentState.UNSENT, IntentState.REFUSED)),
)
REJECTED_SINCE = select(_newest_intents.c.account, _newest_intents.c.created_at).where(
    _newest_intents.c.created_at >= bindparam("since"), _newest_intents.c.state == IntentState.REJECTED
)
REFUSED_SINCE = select(tables.quarantine.c.source, tables.quarantine.c.received_at).where(
    tables.quarantine.c.received_at >= bindparam("since")
)

_since_confirmed = and_(
    _same_book,
    intents.c.stop.is_(None),  # a resting or executed stop never exceeds what was held
    intents.c.state.in_((IntentState.FILLED, IntentState.CANCELLED, IntentState.OPEN)),
    or_(confirmations.c.revision.is_(None), intents.c.state == IntentState.OPEN, _after_confirmation),
)
ORDERS_SINCE_CONFIRMED = (
    select(
        books.c.account,
        books.c.symbol,
        confirmations.c.quantity.label("shown"),
        *(intents.c[name] for name in ("side", "quantity", "filled", "state")),
    )
    .select_from(
        books.outerjoin(confirmations, books.c.confirmation == confirmations.c.number).outerjoin(
            intents, _since_confirmed
        )
    )
    .order_by(intents.c.number)
)


def _books(connection: Connection) -> dict[tuple[str, str], SymbolRecord]:
    held = {(goal.account, goal.symbol): goal for goal in _all(connection, Goal, GOALS)}
    seen = {(found.account, found.symbol): found for found in _all(connection, Confirmation, CONFIRMATIONS)}
    orders = {(row.account, row.symbol): row for row in connection.execute(ORDERS)}
    best = {(found.account, found.symbol): found for found in _all(connection, BestPrice, BEST_PRICES)}
    made = {}
    for target in _all(connection, Target, TARGETS):
        key = (target.account, target.symbol)
        order = orders[key]
        made[key] = SymbolRecord(
            target=target,
            goal=held.get(key),
            confirmation=seen.get(key),
            last_step=order.step or 0,
            last_outcome_at=order.at,
            increased_since_confirmed=bool(order.increased),
            best=best.get(key),
        )
    return made


def record_of(row: RowMapping) -> IntentRecord:
    """Return an intent with its outcome from its row."""
    state: IntentState = row["state"]
    order_outcome = None
    if state is not IntentState.OPEN:
        order_outcome = OrderOutcome(
            client_order_id=row["client_order_id"],
            state=state,
            at=row["settled_at"],
            filled=row["filled"],
            average_price=row["average_price"],
            reason=row["reason"],
        )
    intent = Intent(**{field.name: row[field.name] for field in fields(Intent)})
    return IntentRecord(intent=intent, state=state, outcome=order_outcome)
