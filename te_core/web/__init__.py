"""The public listener takes webhooks only; the private one has the API and health."""
