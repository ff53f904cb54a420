"""KuCoin Futures accounts: classic, linear perpetuals."""
