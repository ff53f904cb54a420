"""Contracts between the engine and its plugins. Plugins import these through ``te_core.api``."""
