"""TensorRT's messages in the user's terms."""

from __future__ import annotations

import re

__all__ = ["explain", "tidy"]

# What the builder's messages mean, measured with TensorRT-RTX 1.7.1.
_MEANINGS: tuple[tuple[str, str, str], ...] = (
    (
        r"IRecurrenceLayer have different shapes|must have inputs with same shape",
        "a value that a loop carries changes its shape from iteration to iteration, or at the "
        "profile's opt on a path that is not taken there",
        "write into a tensor made before the loop, at a running index, or give an opt at which "
        "both paths of every branch are possible",
    ),
    (
        r"kOPT values for profile \d+ violate shape constraints",
        "sizes at the profile's opt do not fit together somewhere in the file; branches that "
        "these sizes do not take are looked at too",
        "give an opt at which both paths of every branch are possible",
    ),
    (
        r"utils\.cpp:3613",
        "ifs inside each other, or the two paths of an if, have dynamic sizes that TensorRT's "
        "compiler does not take",
        "",
    ),
    (
        r"makeScopeNodesContiguous",
        "inside a loop, a size depends on the iteration or on the loop's own values",
        "take slices of a fixed length, or use a mask",
    ),
    (
        r"Data-dependent shapes are only allowed in the top-level scope",
        "inside an if or a loop, the data decides a size",
        "reduce it to a fixed size before, or use a mask",
    ),
    (r"Myelin error from unknown graph", "inside an if, the data decides a size", "use a mask"),
    (
        r"no trip limit|cannot infer the shape of scan output",
        "a loop without a bound on its iterations collects rows",
        "use a for loop with a break",
    ),
    (
        r"no tactics to implement the operation within workspace limit",
        "the scratch memory that the build allows is too small",
        "allow more with --memPoolSize, or leave it out",
    ),
    (r"plugin creator version|Plugin not found", "TensorRT has no such operator", ""),
    (r"has no runners that implement it", "TensorRT has no kernel for this operator here", ""),
    (
        r"must have inputs of same type|equal ranks",
        "the two paths of an if differ in dtype or rank",
        "",
    ),
    (
        r"at least 2 dimensions are required",
        "TensorRT has this operator for tensors of two and more dimensions only",
        "unsqueeze it before",
    ),
    (
        r"Fp shape input to Myelin",
        "a size is computed in floats, int(height * scale), which TensorRT does not take here",
        "compute it in integers, height * 3 // 2, or give the model resized images",
    ),
    (r"does not support UINT8", "uint8 inside the model", "cast inputs and outputs only"),
    (
        r"Shape tensor .* is not initialized",
        "inside an if, something is sorted, or has a size that TensorRT's compiler does not take "
        "there",
        "sort before the if",
    ),
    (
        r"IIfConditionalInputLayer must come from outside of the scope",
        "inside an if, TensorRT computes indices or sizes that it needs outside of it as well",
        "compute them before the if, or leave out an early return before a loop",
    ),
    (r"graphScope\.cpp", "TensorRT's compiler does not take this nesting of ifs and loops", ""),
)


def explain(text: str) -> tuple[str, str]:
    """What a message of TensorRT's means, and what to do; the message itself where unknown."""
    for pattern, meaning, hint in _MEANINGS:
        if re.search(pattern, text):
            return meaning, hint
    return tidy(text), ""


def tidy(text: str) -> str:
    """A message on one line, without CUDA's chatter and TensorRT's own file names."""
    lines = [line.strip() for line in text.splitlines() if "catchCudaError" not in line]
    joined = " ".join(line for line in lines if line)
    joined = re.sub(r"\s*In \w+ at /[\w/.]+:\d+", "", joined)
    return joined if len(joined) <= 500 else joined[:497] + "..."
