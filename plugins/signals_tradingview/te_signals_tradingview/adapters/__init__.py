"""Alerts made for other products, put into the words of this one. One file per product; each is a pure function."""
