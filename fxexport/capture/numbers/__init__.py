"""Functions and methods of Python's numbers, for numbers that only the run knows."""
