"""Tests of objects that hold tensors."""
