"""Test tools for plugin authors: a virtual clock, fakes and conformance suites."""
