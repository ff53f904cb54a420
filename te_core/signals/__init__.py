"""From durable signals to blended opinions."""
