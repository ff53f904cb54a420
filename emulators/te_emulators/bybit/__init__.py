"""Bybit v5: unified account, linear USDT perpetuals."""
