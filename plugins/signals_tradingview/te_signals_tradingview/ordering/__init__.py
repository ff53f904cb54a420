"""Whether an alert takes over from the one in force, or belongs before it."""
