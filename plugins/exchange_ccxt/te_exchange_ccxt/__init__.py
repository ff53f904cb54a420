"""Accounts at any perpetual-futures exchange that ccxt knows, and the base of the plugins for single exchanges."""
