"""Operators expressed through others here: PyTorch knows no way to do so that a file can hold."""

from fxexport.lowering.own_decompositions import (
    airy,
    bessel,
    binary_numbers,
    choices,
    error_function,
    gamma,
    histograms,
    layers,
    modified_bessel,
    pools,
    segments,
)
from fxexport.lowering.own_decompositions.table import OWN_DECOMPOSITIONS

__all__ = [
    "OWN_DECOMPOSITIONS",
    "airy",
    "bessel",
    "binary_numbers",
    "choices",
    "error_function",
    "gamma",
    "histograms",
    "layers",
    "modified_bessel",
    "pools",
    "segments",
]
