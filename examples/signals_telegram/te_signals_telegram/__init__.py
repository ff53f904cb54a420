"""Posts of a Telegram channel."""
