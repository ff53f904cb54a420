"""Run by Alembic: upgrades the connection that the journal gives it, in the transaction that is open there."""

from alembic import context

from te_core.journal.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
