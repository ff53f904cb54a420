"""Moves installations: import, backup, restore, move to another server, and upgrade check."""
