"""Loops in the forms that TensorRT takes: bounded, out of branches, counted."""
