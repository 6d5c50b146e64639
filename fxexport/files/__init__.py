"""Writing files: each appears whole or not at all, under its name once it is verified."""
