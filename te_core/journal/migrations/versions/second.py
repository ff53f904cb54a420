"""Add accounts by their identity at the exchange, and commits numbered by their writer."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table of accounts; number the commits from 0."""
    op.create_table(
        "accounts",
        sa.Column("book", sa.Text(), primary_key=True, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("name", "plugin", "host", "uid")),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
    )
    op.execute("INSERT INTO meta (key, value) VALUES ('writer_sequence', '0')")
