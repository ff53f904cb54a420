"""Add the cost of orders, payments without an order, equity samples, breakers, and causes."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _table(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False, nullable=False),
        *columns,
    )


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    """Create the tables; earlier orders have no cause, and their cost was never requested."""
    for table in ("targets", "intents"):
        op.add_column(table, _text("cause", nullable=True))
        op.add_column(table, _time("caused_at", nullable=True))
    _table(
        "fills",
        *(_text(name) for name in ("client_order_id", "account", "symbol", "side", "quantity")),
        _time("at"),
        *(_text("price", nullable=True), _text("fee", nullable=True), _text("fee_currency")),
        *(_text("realised", nullable=True), _text("shares")),
    )
    op.create_index("fills_order", "fills", ["client_order_id"], unique=True)
    op.create_index("fills_account", "fills", ["account", "at"])
    _table(
        "flows",
        *(_text(name) for name in ("account", "key", "kind", "amount")),
        _time("at"),
        _text("symbol", nullable=True),
    )
    op.create_index("flows_key", "flows", ["account", "key"], unique=True)
    _table(
        "equity",
        _text("account"),
        _time("at"),
        *(_text(name) for name in ("wallet", "total")),
        *(_text(name, nullable=True) for name in ("free", "unrealised", "gross", "net")),
    )
    op.create_index("equity_account", "equity", ["account", "at"])
    op.create_table(
        "breakers",
        sa.Column("scope", sa.Text(), primary_key=True, autoincrement=False, nullable=False),
        _time("at"),
        _text("state"),
        sa.Column("number", sa.Integer(), nullable=False),
    )
