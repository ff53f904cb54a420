"""Alembic's environment, which upgrades an older journal to the current schema."""
