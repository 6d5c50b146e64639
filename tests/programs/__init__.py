"""A corpus of small control-flow programs, by theme."""

from __future__ import annotations

import importlib

from tests.programs.program import Program

__all__ = ["THEMES", "all_programs"]

THEMES = (
    "branches",
    "loops",
    "loops_that_grow",
    "broadcasts",
    "expanded",
    "caches",
    "scalars",
    "early_exits",
    "empty_tensors",
    "shapes",
    "sized_functions",
    "python_features",
    "python_calls",
    "functions",
    "made_functions",
    "changing_functions",
    "returned_values",
    "computed_constants",
    "containers",
    "lists",
    "list_functions",
    "list_tools",
    "nested_lists",
    "mixed_lists",
    "padded_lists",
    "optional_items",
    "changed_items",
    "changed_objects",
    "left_objects",
    "items_in_place",
    "shared_items",
    "generators",
    "modules",
    "mutation_aliases",
    "mutation_basic",
    "mutation_ops",
    "out_arguments",
    "mutation_views",
    "stale_views",
    "new_objects",
    "copies",
    "uncertain_copies",
    "ragged_outputs",
    "numbers",
    "numpy_numbers",
    "yielding",
    "library_callers",
    "diagonals",
    "optional",
    "optional_loops",
    "optional_arguments",
    "choices",
    "empty_alternatives",
    "dicts",
    "dict_walks",
    "objects",
    "special_methods",
    "iterators",
    "zipped",
    "lazy_items",
    "lazy_functions",
    "loops_left_early",
    "membership",
    "tries",
    "raised_by_kernels",
    "raised_exceptions",
    "raised_in_loops",
    "raised_pitfalls",
    "native_writes",
    "own_containers",
    "aliases",
    "second_names",
    "second_names_of_tensors",
    "sets",
    "pitfalls",
    "pitfalls_shapes",
    "control_flow_operators",
    "packed_sequences",
    "attention_paths",
    "torch_wrappers",
    "detection_parts",
    "complex_numbers",
    "refusals",
)


def all_programs() -> list[Program]:
    """Every program of the corpus, theme by theme."""
    found: list[Program] = []
    for theme in THEMES:
        found.extend(importlib.import_module(f"tests.programs.{theme}").PROGRAMS)
    return found
