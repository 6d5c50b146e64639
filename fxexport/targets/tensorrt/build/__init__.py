"""Building an engine in a child process, and telling its errors in the user's terms."""
