"""Exchanges on loopback: a matching core under one thin wire layer per exchange, with faults by script or seed."""
