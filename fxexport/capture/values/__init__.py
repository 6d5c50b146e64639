"""Values that are known in part: something or None, dicts of uncertain keys, text, containers."""
