"""A notifier of the trade engine that tells by whatever Apprise knows."""
