"""A notifier of the trade engine that uses any service supported by Apprise."""
