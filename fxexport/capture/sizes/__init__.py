"""Dynamic sizes: what is assumed of them, what is proved, what the user declared."""
