"""Functions whose number of steps depends on their arguments, as loops."""
