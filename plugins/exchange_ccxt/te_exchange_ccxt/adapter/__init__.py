"""What is particular about an exchange: the hooks of an adapter, with defaults that use ccxt's unified calls."""
