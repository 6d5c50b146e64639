"""Whole exports: the corpus of programs, examples, the README, real models."""
