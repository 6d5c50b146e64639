"""Lists become tensors: buffers with a capacity and a count, joins, rows of a scan."""
