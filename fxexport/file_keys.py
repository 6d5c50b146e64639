"""The names under which a file holds what fxexport says of it, in its metadata and its nodes'."""

from __future__ import annotations

__all__ = ["CONTRACT", "GUARD", "MODULE", "NODE", "PROFILES", "SOURCE", "VALUES", "WEIGHTS"]

# Of a file: docs/contract.md, its optimization profiles, and the weights that were left out.
CONTRACT = "pkg.fxexport.contract"
PROFILES = "pkg.fxexport.profiles"
WEIGHTS = "pkg.fxexport.weights"

# Of a node: the message of a guard, the path of the module that it is of, the user's line, and
# which values of the graph its outputs are, where these have other names ("add_7=add"); of an If or
# Loop the node of the graph that it is, after the nodes and bodies around.
GUARD = "pkg.fxexport.guard"
MODULE = "pkg.fxexport.module"
NODE = "pkg.fxexport.node"
SOURCE = "pkg.fxexport.source"
VALUES = "pkg.fxexport.values"
