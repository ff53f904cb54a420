"""The page: what a browser is served by the private listener. No order depends on it."""
