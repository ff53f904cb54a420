"""Instances of plugins: made, identified, supervised, stopped."""
