"""Add stop orders to the intents, and the best prices that trailing stops follow."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column and the table; no earlier order was a stop."""
    op.add_column("intents", sa.Column("stop", sa.Text(), nullable=True))
    op.create_table(
        "best_prices",
        *(
            sa.Column(name, sa.Text(), primary_key=True, autoincrement=False, nullable=False)
            for name in ("account", "symbol")
        ),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("price", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
