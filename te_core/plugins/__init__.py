"""Plugins: discovered by their metadata, imported only when needed, each isolated from the others."""
