"""Calls of PyTorch's functions that raise: on a path, or inside of what may catch it."""
