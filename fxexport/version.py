"""The version of fxexport."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
