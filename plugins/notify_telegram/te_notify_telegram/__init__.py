"""A notifier of the trade engine that sends to Telegram, and answers there."""
