"""Small stand-ins of exchanges that are reached through the plugin of any exchange: HTTP only, no streams."""
