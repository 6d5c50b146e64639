"""What lowerings write with: nodes, values, shapes, dtypes, constants, the target's dialect."""
