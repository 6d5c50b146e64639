"""Layers and pools, a family a file."""
