"""Malformed input and hostile senders against the real engine, over the wire."""
