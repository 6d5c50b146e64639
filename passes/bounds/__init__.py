"""Bounds of sizes, numbers and lists, and what follows from conditions."""
