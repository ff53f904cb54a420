"""Bittensor subnet 8 miners as a signal source of the trade engine."""
