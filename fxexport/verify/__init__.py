"""Comparing a file with PyTorch: every branch, loops at no, one and several trips."""

from fxexport.verify.verifier import verify

__all__ = ["verify"]
