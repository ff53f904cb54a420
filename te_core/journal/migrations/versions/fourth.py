"""Add standing commands of the operator."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table of controls; earlier versions could not halt, pause or set anything by hand."""
    op.create_table(
        "controls",
        *(
            sa.Column(name, sa.Text(), primary_key=True, autoincrement=False, nullable=False)
            for name in ("topic", "scope", "symbol")
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("depth", sa.Text(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("held", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
    )
