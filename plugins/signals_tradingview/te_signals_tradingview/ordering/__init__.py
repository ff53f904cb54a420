"""Whether an alert takes over from the current one, or belongs before it."""
