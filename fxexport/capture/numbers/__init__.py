"""Functions and methods of Python's numbers, for numbers that are known only when the model runs."""
