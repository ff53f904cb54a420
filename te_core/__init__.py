"""The small core of the trade engine: it keeps accounts at the positions that weighted signals ask for."""

__version__ = "0.1.0"
