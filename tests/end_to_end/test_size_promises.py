"""A named dimension is kept for every size that PyTorch takes, or the export is refused.

Each operator that takes sizes, on a tensor with one dimension that the user asked to be dynamic: at
each size the file gives PyTorch's values, or PyTorch raises and the file or its contract says no.
"""

from __future__ import annotations

import pytest
import torch

import fxexport
from tests.programs.program import TORCH
from tests.support.promises import SIZES, promise_of
from tests.support.size_operators import OPERATORS, N

pytestmark = pytest.mark.skipif(
    TORCH < (2, 13), reason="fake kernels of older versions ask for more of sizes"
)

# Sizes of examples that PyTorch takes, where 6 is none.
EXAMPLES = {
    "reshape 4": 4, "pixel shuffle": 8, "fold": 12, "expand 1": 2, "conv ch": 4, "linear n": 4,
    "mm fixed": 5, "add fixed": 3, "cat other": 4, "stack fixed": 4, "where": 4, "masked fill": 3,
    "prelu": 4,
}  # fmt: skip

# What is refused, and why.
ONE_SIZE = "needs it to be"
REFUSED = {
    # PyTorch takes the example's size alone, or that and 1.
    **dict.fromkeys(
        (
            "fold", "expand 1", "conv ch", "linear n", "mm fixed", "add fixed", "cat other",
            "stack fixed", "where", "masked fill", "prelu",
        ),
        ONE_SIZE,
    ),
    # Its kernel asks for a number in Python, up to 2.13.
    **({"combinations": "decides something on a dimension"} if TORCH < (2, 14) else {}),
    "vander": "decides something on a dimension",
}  # fmt: skip

# Sizes at which a file does not keep its promise yet.
OPEN = {
    # PyTorch gives an empty tensor back as it is, and says otherwise to whoever asks for sizes.
    "pixel unshuffle": {0},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", OPERATORS)
def test_a_named_dimension_is_kept_or_refused(name: str) -> None:
    program, shape = OPERATORS[name]

    def make(size: int) -> tuple[torch.Tensor]:
        generator = torch.Generator().manual_seed(size)
        sizes = [size if dim == N else dim for dim in shape]
        return (torch.randn(sizes, generator=generator),)

    dynamic = {"x": {shape.index(N): "n"}}
    sizes = [size for size in SIZES if size not in OPEN.get(name, ())]
    example = EXAMPLES.get(name, 6)
    if name in REFUSED:
        with pytest.raises(fxexport.UnsupportedError, match=REFUSED[name]):
            promise_of(program, make, example, [], dynamic)
        return
    promise = promise_of(program, make, example, sizes, dynamic)
    assert not promise.faults, "\n".join([*promise.faults, *promise.relations])
    assert example in promise.right
    assert len(promise.right) > 1


def test_the_lists_name_operators() -> None:
    assert {*EXAMPLES, *REFUSED, *OPEN} <= OPERATORS.keys()
