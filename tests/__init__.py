"""The tests of fxexport."""
