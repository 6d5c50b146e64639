"""Staging: both paths of a branch and the body of a loop are recorded, and merged."""
