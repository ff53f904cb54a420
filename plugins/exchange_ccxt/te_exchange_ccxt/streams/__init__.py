"""Streams of an account or of public prices."""
