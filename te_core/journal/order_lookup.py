"""Find one order, and everything that led to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from sqlalchemy import Connection, RowMapping, Select, select

from te_core.errors import TradeEngineError
from te_core.journal.pages import JOINED, Order, orders_of, signals_received
from te_core.journal.tables import confirmations, goals, intents, targets
from te_core.model.signal import Signal
from te_core.model.target import Confirmation, Goal, Target

T = TypeVar("T")
SHORTEST = 4
"""Minimum characters of a client order id prefix that may name an order."""
_NAMED = 10
"""Maximum number of orders that are listed if a prefix matches several."""


class NoSuchOrder(TradeEngineError):
    """No order matches, or several do; the message names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderHistory:
    """An order and what led to it; None or empty for what the journal no longer contains."""

    number: int
    order: Order
    target: Target | None
    goal: Goal | None
    """Target and goal that it was planned for."""
    siblings: tuple[tuple[int, Order], ...]
    """All orders of that revision including itself, in the order of their creation."""
    signals: tuple[Signal, ...]
    """Those behind the target."""
    confirmation: Confirmation | None
    """The first one afterwards."""


def order_history(connection: Connection, name: str) -> OrderHistory:
    """Return an order by its client order id, a prefix of it, or its number. Raise `NoSuchOrder` unless one matches."""
    number, order = _found(connection, name)
    intent = order.record.intent
    table = targets.c
    target = _first(
        connection,
        Target,
        select(targets).where(
            table.account == intent.account, table.symbol == intent.symbol, table.revision == intent.revision
        ),
    )
    goal = _first(
        connection,
        Goal,
        select(goals)
        .where(goals.c.account == intent.account, goals.c.symbol == intent.symbol, goals.c.number < number)
        .where(goals.c.revision == intent.revision)
        .order_by(goals.c.number.desc()),
    )
    siblings = select(intents).where(
        intents.c.account == intent.account,
        intents.c.symbol == intent.symbol,
        intents.c.revision == intent.revision,
    )
    heard = {(intent.symbol, term.heard_at) for term in (target.terms if target else ()) if term.heard_at}
    sources = {term.source for term in target.terms} if target is not None else set()
    following = select(confirmations).where(confirmations.c.number > number).order_by(confirmations.c.number)
    near = following.limit(JOINED).subquery()
    confirmed = select(near).where(
        near.c.account == intent.account,
        near.c.symbol == intent.symbol,
        near.c.revision == intent.revision,
    )
    return OrderHistory(
        number=number,
        order=order,
        target=target,
        goal=goal,
        siblings=tuple(
            orders_of(connection, connection.execute(siblings.order_by(intents.c.number)).mappings().all())
        ),
        signals=tuple(one for _, one in signals_received(connection, heard) if one.source in sources),
        confirmation=_first(connection, Confirmation, confirmed.order_by(near.c.number)),
    )


def _found(connection: Connection, name: str) -> tuple[int, Order]:
    rows = _rows(connection, select(intents).where(intents.c.client_order_id == name))
    if not rows and name.isascii() and name.isdigit():
        rows = _rows(connection, select(intents).where(intents.c.number == int(name[:18])))
    if not rows and len(name) >= SHORTEST:
        beginning = (intents.c.client_order_id >= name, intents.c.client_order_id < name + "\uffff")
        rows = _rows(connection, select(intents).where(*beginning).limit(_NAMED))
    if not rows:
        raise NoSuchOrder(
            f"no order {name[:64]} is known: use a number, a client order id or the beginning of one"
        )
    if len(rows) > 1:
        ids = ", ".join(row["client_order_id"] for row in rows)
        raise NoSuchOrder(f"{name[:64]} matches several orders: {ids}")
    return orders_of(connection, rows)[0]


def _rows(connection: Connection, wanted: Select[Any]) -> Sequence[RowMapping]:
    return connection.execute(wanted).mappings().all()


def _first(connection: Connection, entry: type[T], wanted: Select[Any]) -> T | None:
    row = connection.execute(wanted.limit(1)).mappings().first()
    return None if row is None else entry(**{field.name: row[field.name] for field in fields(entry)})  # type: ignore[arg-type]
