"""The kit for plugin authors: virtual clock, fakes, conformance suites."""
