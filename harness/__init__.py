"""Shared by `bench/` (speed) and `fuzz/` (malformed input): an engine process, alerts as bytes, a browser, a report."""
