"""Bittensor subnet 8 as a validator serves it: miners generated from a seed, over REST and WebSocket."""
