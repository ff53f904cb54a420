"""One account kept at its targets."""
