"""A notifier of the trade engine that posts events to an address."""
