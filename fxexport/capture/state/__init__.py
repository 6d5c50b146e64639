"""State that a model keeps from call to call: where it is, and what becomes of it."""
