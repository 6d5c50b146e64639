"""Complex numbers as pairs of real ones: the pass, and the rules of its operators by subject."""
