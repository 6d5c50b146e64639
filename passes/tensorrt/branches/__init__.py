"""Branches in the forms that TensorRT takes: results of one size, and work moved before them."""
