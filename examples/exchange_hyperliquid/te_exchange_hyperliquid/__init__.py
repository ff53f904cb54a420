"""Hyperliquid accounts."""
