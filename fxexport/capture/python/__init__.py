"""Reading Python: a function's source, rewritten so that what it says goes through operators."""
