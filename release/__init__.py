"""Builds what is published, and tries it as a new user would."""
