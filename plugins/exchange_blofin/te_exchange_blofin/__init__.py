"""BloFin accounts: futures, linear USDT perpetuals."""
