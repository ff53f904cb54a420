"""What authors of plugins use: packages from templates, a check with quality levels, an engine that follows edits."""
