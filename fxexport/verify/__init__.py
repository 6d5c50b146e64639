"""Comparing a file with PyTorch: every branch, loops with no, one and several iterations."""

from fxexport.verify.verifier import verify

__all__ = ["verify"]
