"""TradingView alerts as a signal source of the trade engine."""
