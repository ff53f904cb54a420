"""What sets an installation up: the first settings file, service files, a demonstration. Texts from values; no I/O."""
