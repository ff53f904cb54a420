"""Plugins: found by their metadata, imported only when asked for, each guarded on its own."""
