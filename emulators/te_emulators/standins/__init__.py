"""Small stand-ins for exchanges that are used through the generic ccxt plugin: HTTP only, no streams."""
