"""BloFin open API v1: futures account, linear USDT perpetuals."""
