"""Accounts by who they are; orders by when they were made; commits numbered by their writer."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of accounts and the index of orders' times; number the commits from 0."""
    op.create_table(
        "accounts",
        sa.Column("book", sa.Text(), primary_key=True, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("name", "plugin", "host", "uid")),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("intents_created", "intents", ["created_at"])
    op.execute("INSERT INTO meta (key, value) VALUES ('writer_sequence', '0')")
