"""Stop orders among the intents, and the best prices by which stops trail."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column and the table; no order of before was a stop."""
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
