"""Helpers of passes that move or rewrite nodes: hoisting, moving inward, padding."""
