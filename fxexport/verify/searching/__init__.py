"""Inputs that lead where none led: other sizes, other values."""
