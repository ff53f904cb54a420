"""Bybit accounts: unified, linear perpetuals."""
