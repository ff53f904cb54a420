"""Add the exits that a signal states, and the step up to which a position was confirmed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns; earlier signals state no exits, earlier confirmations are ordered by their times."""
    op.add_column("signals", sa.Column("exits", sa.Text(), nullable=True))
    op.add_column("confirmations", sa.Column("step", sa.Integer(), nullable=True))
