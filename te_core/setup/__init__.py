"""Builds the texts of a new installation: first settings, service files, a demonstration. No I/O."""
