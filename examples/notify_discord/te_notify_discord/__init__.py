"""Events in a Discord channel."""
