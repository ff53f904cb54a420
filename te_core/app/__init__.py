"""Assemble everything into one process."""
