"""A notifier of the trade engine that tells in Telegram, and answers there."""
