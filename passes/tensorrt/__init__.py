"""Passes that bring the graph into the forms that TensorRT takes, one a file."""
