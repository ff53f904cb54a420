"""Depths from an address."""
