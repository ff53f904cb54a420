"""MEXC contract v1: USDT perpetuals."""
