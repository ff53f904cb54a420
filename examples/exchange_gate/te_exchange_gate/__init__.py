"""Gate perpetual futures accounts."""
