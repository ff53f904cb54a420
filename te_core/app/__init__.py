"""Puts everything together into one process."""
