"""Add the hourly results of symbols and accounts, and the result of each fill by average cost."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def _key(name: str, kind: sa.types.TypeEngine[Any]) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False, nullable=False)


def upgrade() -> None:
    """Add the column and the table; earlier results are not known by symbol."""
    op.add_column("fills", sa.Column("gained", sa.Text(), nullable=True))
    op.add_column("accounts", sa.Column("paper", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("accounts", sa.Column("currency", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE accounts SET paper = plugin = 'paper'")
    amounts = ("result", "realised", "unrealised", "fees", "funding", "turnover")
    counts = ("fills", "unpriced", "unknown_fees", "others")
    held = ("quantity", "unvalued", "cost", "counted", "shares", "earned", "paid")
    op.create_table(
        "tallies",
        *(_key("symbol", sa.Text()), _key("account", sa.Text()), _key("hour", sa.Integer())),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in amounts),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in counts),
        *(sa.Column(name, sa.Text(), nullable=False) for name in held),
        sqlite_with_rowid=False,
    )
