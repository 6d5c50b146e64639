"""Open tensors, their capacities, and the graphs that they are written in."""
