"""Generators of random programs, and what makes a failing one smaller."""
