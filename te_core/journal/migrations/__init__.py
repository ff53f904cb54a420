"""Alembic's environment: how an older journal becomes a newer one."""
