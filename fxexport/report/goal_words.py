"""What is said of goals: the sides of a branch, and how often a loop is gone through."""

from __future__ import annotations

__all__ = ["FORCED", "NEVER", "SIDES"]

NEVER = {
    "then": "was never true",
    "else": "was never false",
    "no trip": "never with 0 iterations",
    "one trip": "never with 1 iteration",
    "several trips": "never with several iterations",
    "any trip": "never with any iteration",
}
FORCED = {
    "then": "forced to be true",
    "else": "forced to be false",
    "no trip": "forced to 0 iterations",
    "one trip": "forced to 1 iteration",
    "several trips": "forced to several iterations",
    "any trip": "forced to run",
}
SIDES = {
    "then": "then",
    "else": "else",
    "no trip": "0",
    "one trip": "1",
    "several trips": "2+",
    "any trip": "runs",
}
