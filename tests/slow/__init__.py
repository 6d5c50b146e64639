"""The weekly set: many random programs. Nothing of it runs unless it is asked for by its mark."""
