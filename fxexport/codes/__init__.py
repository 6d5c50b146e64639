"""The codes of refusals and findings, which stay when texts change, and what they mean.

`ids` has the codes; `codes.md` explains them, and `explained` reads it.
"""
