"""From a durable signal to the opinions that are blended."""
