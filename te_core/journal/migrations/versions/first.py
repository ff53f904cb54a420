"""Create the first tables. They are written out, because a migration must not change when the tables do."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TYPES: dict[str, Any] = {
    "w": sa.Text(),
    "n": _whole,
    "t": sa.BigInteger(),
    "b": sa.Boolean(),
}
_NUMBER = "n:number! "


def _table(name: str, columns: str) -> None:
    """Create a table from ``type:name`` words; ``!`` marks the primary key, ``?`` a nullable column."""
    made = []
    for column in columns.split():
        kind, title = column.split(":")
        made.append(
            sa.Column(
                title.rstrip("!?"),
                _TYPES[kind],
                primary_key=title.endswith("!"),
                autoincrement=False,
                nullable=title.endswith("?"),
            )
        )
    op.create_table(name, *made)


def upgrade() -> None:
    """Create every table and index."""
    _table("meta", "w:key! w:value")
    _table("latest_signals", "w:source! w:symbol! n:number")
    _table("books", "w:account! w:symbol! n:revision? n:target? n:goal? n:confirmation?")
    _table(
        "signals",
        _NUMBER
        + "w:source w:symbol w:depth t:time t:received_at w:leverage? w:price? w:sequence? w:delivery_id? "
        "b:current w:rule w:detail",
    )
    _table("quarantine", _NUMBER + "w:source t:received_at w:field w:reason w:body")
    _table(
        "targets",
        _NUMBER
        + "w:account w:symbol n:revision w:depth n:leverage w:margin_mode w:reason t:created_at w:price? w:terms",
    )
    _table(
        "goals",
        _NUMBER
        + "w:account w:symbol n:revision w:quantity n:leverage w:margin_mode w:depth w:equity w:price "
        "w:unrounded w:contract_size w:quantity_step t:sized_at w:notes",
    )
    _table(
        "intents",
        _NUMBER
        + "w:client_order_id w:account w:symbol n:revision n:step n:chunk w:side w:quantity b:reduce_only "
        "n:leverage w:margin_mode w:reference_price t:created_at w:state t:settled_at? w:filled? w:average_price? "
        "w:reason",
    )
    _table("confirmations", _NUMBER + "w:account w:symbol n:revision w:quantity t:at")
    _table("events", _NUMBER + "t:at w:kind w:text w:source? w:account? w:symbol? w:detail")
    _indexes()


def _indexes() -> None:
    op.create_index("signals_received", "signals", ["received_at"])
    op.create_index("quarantine_source", "quarantine", ["source", "number"])
    op.create_index("targets_revision", "targets", ["account", "symbol", "revision"], unique=True)
    op.create_index("goals_symbol", "goals", ["account", "symbol", "number"])
    op.create_index("intents_client_order_id", "intents", ["client_order_id"], unique=True)
    op.create_index("intents_step", "intents", ["account", "symbol", "revision", "step"])
    is_open = sa.text("state = 'open'")
    op.create_index("intents_open", "intents", ["number"], sqlite_where=is_open, postgresql_where=is_open)
