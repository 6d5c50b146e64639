"""Takes decisions by force: in the program, in its graph, in the file."""
