"""Exits that a signal states."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; signals of before state none."""
    op.add_column("signals", sa.Column("exits", sa.Text(), nullable=True))
