"""The account's durable state: one SQLite file in the instance's state folder.

Every change is one transaction, committed before it is answered: after ``kill -9`` everything that was answered is
there, and nothing is there twice. ``synchronous=NORMAL``: a power cut may undo the last changes (the file stays
intact and the engine corrects the position); a sync per order would block the event loop for as long as the disk
takes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from te_core.api import ConfigError, MarginMode, NotReady, OrderReport, OrderStatus, Side, StopKind
from te_exchange_paper.funding import Funded, Payment
from te_exchange_paper.holding import Holding
from te_exchange_paper.ledger import Ledger
from te_exchange_paper.stops import PaperStop

SCHEMA_VERSION = 3
KEEP_PAYMENTS = 10_000
KEEP_ORDERS = 10_000
"""Orders that are kept; the oldest are deleted, so that neither the file nor the cost of an order grows."""

_SCHEMA = """
CREATE TABLE account (
    id INTEGER PRIMARY KEY CHECK (id = 1), wallet TEXT NOT NULL, opening_balance TEXT NOT NULL);
CREATE TABLE holdings (
    symbol TEXT PRIMARY KEY, leverage INTEGER NOT NULL, margin_mode TEXT NOT NULL, quantity TEXT NOT NULL,
    cost TEXT NOT NULL, margin TEXT NOT NULL, mark TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE orders (
    number INTEGER PRIMARY KEY, client_order_id TEXT NOT NULL UNIQUE, symbol TEXT NOT NULL, side TEXT NOT
    NULL, reduce_only INTEGER NOT NULL, quantity TEXT NOT NULL, price TEXT NOT NULL, fee TEXT NOT NULL,
    realised TEXT NOT NULL, at TEXT NOT NULL);
"""
_FUNDING = """
CREATE TABLE funding (symbol TEXT PRIMARY KEY, settled_until TEXT, paid TEXT NOT NULL) WITHOUT ROWID;
"""
"""Added by version 2."""
_PAYMENTS = """
CREATE TABLE payments (
    number INTEGER PRIMARY KEY, symbol TEXT NOT NULL, at TEXT NOT NULL, amount TEXT NOT NULL);
CREATE INDEX payments_at ON payments (at);
"""
"""Added by version 3: funding payments, positive if received; and the stops."""
_STOPS = """
CREATE TABLE stops (
    number INTEGER PRIMARY KEY, client_order_id TEXT NOT NULL UNIQUE, symbol TEXT NOT NULL, kind TEXT NOT NULL,
    side TEXT NOT NULL, quantity TEXT NOT NULL, "trigger" TEXT NOT NULL, ended TEXT NOT NULL);
"""
KEEP_STOPS = 1_000
"""Ended stops that are kept."""
_HOLDING_COLUMNS = "symbol, leverage, margin_mode, quantity, cost, margin, mark"
_STOP_COLUMNS = 'client_order_id, symbol, kind, side, quantity, "trigger", ended'
_ORDER_COLUMNS = "client_order_id, symbol, side, reduce_only, quantity, price, fee, realised, at"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedOrder:
    """An order that was filled."""

    client_order_id: str
    symbol: str
    side: Side
    reduce_only: bool
    quantity: Decimal
    """Unsigned, in base units."""
    price: Decimal
    fee: Decimal
    realised: Decimal
    """Profit without the fee."""
    at: datetime

    def report(self, wanted: Decimal | None = None) -> OrderReport:
        """Return the report of the order.

        ``wanted`` is the requested quantity of a stop, which may have been filled in part.
        """
        if wanted is not None and self.quantity < wanted:
            return replace(self.report(), status=OrderStatus.CANCELLED, reason="the rest was not filled")
        return OrderReport(
            client_order_id=self.client_order_id,
            status=OrderStatus.FILLED,
            filled=self.quantity,
            average_price=self.price,
            fee=self.fee,
            realised=self.realised,
        )


class Store:
    """Reads and writes the file; belongs to the thread that opened it.

    Opening raises ``ConfigError`` for a file that is damaged or of a newer version, ``NotReady`` while another
    process holds it. Every other method raises ``NotReady`` if the disk refuses; then nothing was changed.
    Rows are converted table by table, since the types of their columns differ.
    """

    def __init__(self, path: Path, *, keep_orders: int = KEEP_ORDERS) -> None:
        self.path = path
        self._keep_orders = keep_orders
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        try:
            # Exclusive: a second engine on the same file is refused, and no shared memory is needed.
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._create(_SCHEMA + _FUNDING + _PAYMENTS + _STOPS)
            elif version in (1, 2):
                self._create((_FUNDING if version == 1 else "") + _PAYMENTS + _STOPS)
        except sqlite3.OperationalError as error:
            raise NotReady(f"paper account file {self.path} cannot be used: {error}") from error
        except sqlite3.DatabaseError as error:
            raise ConfigError(
                f"the paper account file is damaged ({error}): move it away to begin with a new account",
                file=str(self.path),
            ) from error
        if version > SCHEMA_VERSION:
            raise ConfigError(
                f"a newer version of te-exchange-paper wrote this account (format {version}, this one knows "
                f"{SCHEMA_VERSION}): install that version, or move the file away to begin with a new account",
                file=str(self.path),
            )

    def _create(self, tables: str) -> None:
        self._db.executescript(f"BEGIN; {tables} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")

    def load(self, opening_balance: Decimal) -> tuple[Ledger, Decimal]:
        """Return the ledger, and the balance that the account was opened with (now, if the file is new)."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO account VALUES (1, ?, ?)", (str(opening_balance),) * 2)
            wallet, opened_with = self._db.execute("SELECT wallet, opening_balance FROM account").fetchone()
            rows = self._db.execute(
                f"SELECT {_HOLDING_COLUMNS} FROM holdings ORDER BY symbol"  # noqa: S608 - a constant
            ).fetchall()
        holdings = {
            symbol: Holding(
                symbol=symbol,
                leverage=leverage,
                margin_mode=MarginMode(mode),
                quantity=Decimal(quantity),
                cost=Decimal(cost),
                margin=Decimal(margin),
                mark=Decimal(mark),
            )
            for symbol, leverage, mode, quantity, cost, margin, mark in rows
        }
        return Ledger(wallet=Decimal(wallet), holdings=holdings), Decimal(opened_with)

    def load_funding(self) -> dict[str, Funded]:
        """Return how far each symbol's funding has been charged."""
        with self._guarded():
            rows = self._db.execute("SELECT symbol, settled_until, paid FROM funding").fetchall()
        return {
            symbol: Funded(until=datetime.fromisoformat(until) if until else None, paid=Decimal(paid))
            for symbol, until, paid in rows
        }

    def load_stops(self) -> dict[str, PaperStop]:
        """Return the stops by client order id, ended ones too."""
        with self._guarded():
            rows = self._db.execute(f"SELECT {_STOP_COLUMNS} FROM stops ORDER BY number").fetchall()  # noqa: S608 - a constant
        return {
            name: PaperStop(
                client_order_id=name,
                symbol=symbol,
                kind=StopKind(kind),
                side=Side(side),
                quantity=Decimal(quantity),
                trigger=Decimal(trigger),
                ended=ended,
            )
            for name, symbol, kind, side, quantity, trigger, ended in rows
        }

    def save_stop(self, stop: PaperStop) -> None:
        """Store a stop, new or ended."""
        with self._transaction():
            self._write_stop(stop)

    def _write_stop(self, stop: PaperStop) -> None:
        names = (stop.client_order_id, stop.symbol, stop.kind.value, stop.side.value)
        values = (*names, str(stop.quantity), str(stop.trigger), stop.ended)
        self._db.execute(
            f"INSERT INTO stops ({_STOP_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) "  # noqa: S608 - a constant
            "ON CONFLICT (client_order_id) DO UPDATE SET ended = excluded.ended",
            values,
        )
        if stop.ended:
            self._db.execute(
                "DELETE FROM stops WHERE ended != '' AND number <= (SELECT max(number) FROM stops) - ?",
                (KEEP_STOPS,),
            )

    def trades_since(self, symbol: str, at: datetime) -> list[tuple[datetime, Decimal]]:
        """Return time and signed quantity of a symbol's orders after that time."""
        with self._guarded():
            rows = self._db.execute(
                "SELECT at, side, quantity FROM orders WHERE symbol = ? AND at > ?", (symbol, at.isoformat())
            ).fetchall()
        return [
            (datetime.fromisoformat(traded), Side(side).sign * Decimal(quantity))
            for traded, side, quantity in rows
        ]

    def save(
        self,
        before: Ledger,
        after: Ledger,
        order: ExecutedOrder | None = None,
        funded: Mapping[str, Funded] | None = None,
        payments: Sequence[Payment] = (),
        stop: PaperStop | None = None,
    ) -> None:
        """Store the difference between two ledgers, what caused it, and charged fundings.

        ``funded`` is part of the same transaction as the payment: nothing is ever charged twice.
        """
        with self._transaction():
            if after.wallet != before.wallet:
                self._db.execute("UPDATE account SET wallet = ?", (str(after.wallet),))
            for symbol, holding in after.holdings.items():
                known = before.holdings.get(symbol)
                if holding is not known and holding != known:
                    self._save_holding(holding)
            if order is not None:
                self._save_order(order)
            if stop is not None:
                self._write_stop(stop)
            for symbol, one in (funded or {}).items():
                until = one.until.isoformat() if one.until else None
                self._db.execute(
                    "INSERT OR REPLACE INTO funding VALUES (?, ?, ?)", (symbol, until, str(one.paid))
                )
            for payment in payments:
                self._save_payment(payment)

    def payments_since(self, at: datetime) -> list[Payment]:
        """Return the funding payments from that time on, oldest first."""
        with self._guarded():
            rows = self._db.execute(
                "SELECT number, symbol, at, amount FROM payments WHERE at >= ? ORDER BY number",
                (at.isoformat(),),
            ).fetchall()
        return [
            Payment(number=number, symbol=symbol, at=datetime.fromisoformat(paid), amount=Decimal(amount))
            for number, symbol, paid, amount in rows
        ]

    def _save_payment(self, payment: Payment) -> None:
        written = self._db.execute(
            "INSERT INTO payments (symbol, at, amount) VALUES (?, ?, ?)",
            (payment.symbol, payment.at.isoformat(), str(payment.amount)),
        )
        self._db.execute(
            "DELETE FROM payments WHERE number <= ?", ((written.lastrowid or 0) - KEEP_PAYMENTS,)
        )

    def order(self, client_order_id: str) -> ExecutedOrder | None:
        """Find an order by its client order id."""
        with self._guarded():
            row = self._db.execute(
                f"SELECT {_ORDER_COLUMNS} FROM orders WHERE client_order_id = ?",  # noqa: S608 - a constant
                (client_order_id,),
            ).fetchone()
        return _order(row) if row else None

    def orders(self) -> list[ExecutedOrder]:
        """Return every order that is kept, oldest first."""
        with self._guarded():
            rows = self._db.execute(
                f"SELECT {_ORDER_COLUMNS} FROM orders ORDER BY number"  # noqa: S608 - a constant
            ).fetchall()
        return [_order(row) for row in rows]

    def close(self) -> None:
        """Close the file; calling it again does nothing."""
        self._db.close()

    def _save_holding(self, holding: Holding) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO holdings VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                holding.symbol,
                holding.leverage,
                holding.margin_mode.value,
                str(holding.quantity),
                str(holding.cost),
                str(holding.margin),
                str(holding.mark),
            ),
        )

    def _save_order(self, order: ExecutedOrder) -> None:
        written = self._db.execute(
            f"INSERT INTO orders ({_ORDER_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
            (
                order.client_order_id,
                order.symbol,
                order.side.value,
                int(order.reduce_only),
                str(order.quantity),
                str(order.price),
                str(order.fee),
                str(order.realised),
                order.at.isoformat(),
            ),
        )
        self._db.execute(
            "DELETE FROM orders WHERE number <= ?", ((written.lastrowid or 0) - self._keep_orders,)
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guarded():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise NotReady(f"paper account file {self.path}: {error}; nothing was changed") from error


def _order(row: tuple[str, str, str, int, str, str, str, str, str]) -> ExecutedOrder:
    client_order_id, symbol, side, reduce_only, quantity, price, fee, realised, at = row
    return ExecutedOrder(
        client_order_id=client_order_id,
        symbol=symbol,
        side=Side(side),
        reduce_only=bool(reduce_only),
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        realised=Decimal(realised),
        at=datetime.fromisoformat(at),
    )
