"""KuCoin Futures: classic account, linear USDT perpetuals."""
