"""Special functions, and what counts and chooses."""
