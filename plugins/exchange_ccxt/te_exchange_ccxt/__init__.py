"""Accounts at any perpetual-futures exchange that ccxt supports, and the base for plugins of single exchanges."""
