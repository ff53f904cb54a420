"""What a plugin promises and what it is given. Plugins import these through ``te_core.api``."""
