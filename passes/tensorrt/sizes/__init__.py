"""Sizes at the edges of a graph: of outputs, of operands that meet, of what is read as a size."""
