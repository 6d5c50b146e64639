"""Helpers that tests of several rooms share: running, comparing, building by hand."""
