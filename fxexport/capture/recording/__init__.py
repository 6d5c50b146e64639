"""Recording: functional ATen operators on fake tensors become nodes of the graph."""
