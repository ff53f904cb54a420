"""MEXC accounts: USDT perpetuals."""
