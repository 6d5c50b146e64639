"""The operators that rewritten code calls instead of Python's statements and expressions.

`operators.Operators` puts them together; each other module has those of one subject.
"""
