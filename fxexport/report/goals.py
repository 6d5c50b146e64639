"""What people are told of a path or trip count that no comparison reached."""

__all__ = ["GOAL_TEXTS"]

GOAL_TEXTS = {
    "then": "was never true",
    "else": "was never false",
    "no trip": "never with 0 iterations",
    "one trip": "never with 1 iteration",
    "several trips": "never with several iterations",
    "any trip": "never with any iteration",
}
