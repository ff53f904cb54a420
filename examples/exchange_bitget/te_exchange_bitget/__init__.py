"""Bitget futures accounts."""
