"""Alerts made for other products, translated to our own fields. One file per product; each is a pure function."""
