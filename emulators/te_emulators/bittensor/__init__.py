"""Bittensor subnet 8 as a validator serves it: miners made up by seed, over REST and WebSocket."""
