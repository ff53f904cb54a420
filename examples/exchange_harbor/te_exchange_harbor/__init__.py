"""Harbor accounts."""
