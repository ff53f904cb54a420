"""Run by Alembic: upgrade the journal's connection within its open transaction."""

from alembic import context

from te_core.journal.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
context.run_migrations()
