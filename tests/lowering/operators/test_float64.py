"""Layers in float64, for which ONNX Runtime has no kernels: they keep all digits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import fxexport
from tests.support.complex_values import check

LINE = torch.cat(
    [
        torch.linspace(-30, 30, 61),
        torch.tensor([1e-9, -1e-9, 0.0, torch.inf, -torch.inf, torch.nan]),
    ]
).double()
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": lambda x: F.elu(x, 0.7),
    "celu": lambda x: F.celu(x, 0.7),
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "leaky": lambda x: F.leaky_relu(x, 0.3),
    "prelu": lambda x: F.prelu(x, torch.tensor([0.3], dtype=torch.float64)),
    "softplus": lambda x: F.softplus(x, 3, 0.2),
    "mish": F.mish,
    "logsigmoid": F.logsigmoid,
}


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    check(ACTIVATIONS[name], (LINE,), (LINE[5:9],), (LINE[:0],))


# Not drawn within a program: a file would draw its own.
THREE, FOUR, SIX = drawn(3), drawn(4), drawn(6)
CONVOLUTIONS: dict[str, tuple[Callable[..., Tensor], tuple[int, ...], int]] = {
    "plain": (lambda x, w: F.conv2d(x, w, FOUR), (4, 4, 3, 2), 4),
    "strides": (lambda x, w: F.conv2d(x, w, None, (2, 3), (1, 2)), (3, 4, 3, 2), 4),
    "dilated": (lambda x, w: F.conv2d(x, w, SIX, 1, 2, (2, 1)), (6, 4, 3, 2), 4),
    "groups": (lambda x, w: F.conv2d(x, w, SIX, 2, 1, 1, 2), (6, 2, 3, 3), 4),
    "transposed": (lambda x, w: F.conv_transpose2d(x, w, THREE), (4, 3, 3, 2), 4),
    "transposed strides": (
        lambda x, w: F.conv_transpose2d(x, w, None, (2, 3), (1, 3), (1, 2)),
        (4, 3, 3, 2),
        4,
    ),
    "transposed groups": (
        lambda x, w: F.conv_transpose2d(x, w, SIX, 2, 1, 0, 2, (1, 2)),
        (4, 3, 3, 2),
        4,
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(name: str) -> None:
    function, weight, channels = CONVOLUTIONS[name]
    kernel = drawn(*weight)
    rows = [(drawn(*size),) for size in ((2, channels, 7, 8), (1, channels, 9, 6))]
    check(lambda x: function(x, kernel), *rows, dynamic=({0: "b", 2: "h", 3: "w"},))


def test_convolutions_of_one_and_three_dimensions() -> None:
    one, three = drawn(3, 2, 3), drawn(3, 2, 2, 3, 2)
    check(lambda x: F.conv1d(x, one, padding=1), (drawn(2, 2, 7),), dynamic=None)
    check(lambda x: F.conv1d(x, one), (drawn(2, 7),), dynamic=None)
    check(lambda x: F.conv3d(x, three, stride=2), (drawn(2, 2, 4, 5, 6),), dynamic=None)
    check(lambda x: F.conv_transpose1d(x, one, stride=2), (drawn(2, 3, 7),), dynamic=None)
    check(lambda x: F.conv_transpose3d(x, three), (drawn(1, 3, 4, 2, 3),), dynamic=None)


def test_infinities_stay_in_their_windows() -> None:
    x = drawn(1, 1, 6, 6)
    x[0, 0, 2, 2] = torch.inf
    check(lambda x: F.avg_pool2d(x, 2), (x,))
    check(lambda x: F.conv2d(x, torch.ones(1, 1, 2, 2, dtype=torch.float64)), (x,), dynamic=None)


POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "plain": lambda x: F.avg_pool2d(x, 3),
    "padded": lambda x: F.avg_pool2d(x, (3, 2), (2, 1), (1, 0)),
    "padding not counted": lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
    "ceil": lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "divided": lambda x: F.avg_pool2d(x, 3, 2, divisor_override=2),
    "large, ceil": lambda x: F.avg_pool2d(x, (3, 66), 2, (1, 33), ceil_mode=True),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
    "one dimension": lambda x: F.avg_pool1d(x[0], 2),
    "across channels": lambda x: F.local_response_norm(x, 2),
}


@pytest.mark.parametrize("name", POOLS)
def test_pools(name: str) -> None:
    rows = [(drawn(2, 3, n, 66),) for n in (9, 12, 5)]
    check(POOLS[name], *rows, dynamic=({2: "n"},))


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "cubic"])
@pytest.mark.parametrize(
    "how", [{"size": (7, 5)}, {"scale_factor": 2.0}, {"scale_factor": (0.7, 1.3)}]
)
@pytest.mark.parametrize("align", [False, True])
def test_resizing(mode: str, how: dict[str, object], align: bool) -> None:
    if align and "nearest" in mode:
        pytest.skip("there is no such form")
    more = {} if "nearest" in mode else {"align_corners": align}
    name = {"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode)
    rows = [(drawn(2, 3, *size),) for size in ((4, 6), (2, 1), (9, 4))]
    check(lambda x: F.interpolate(x, mode=name, **how, **more), *rows)  # type: ignore[arg-type]


@pytest.mark.parametrize("align", [False, True])
def test_cubic_resizing_by_any_factor_in_float32(align: bool) -> None:
    rows = [(drawn(2, 3, *size).float(),) for size in ((4, 6), (5, 9))]
    check(lambda x: F.interpolate(x, scale_factor=1.7, mode="bicubic", align_corners=align), *rows)


@pytest.mark.parametrize("mode", ["nearest-exact", "linear"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sizes_that_a_factor_leaves(mode: str, dtype: torch.dtype) -> None:
    """Between pixels PyTorch copies there, as if the factor were 1."""
    rows = [(drawn(1, 2, n).to(dtype),) for n in (2, 3, 7, 1)]
    for factor in (1.25, 1.3, 2.3):
        check(lambda x, factor=factor: F.interpolate(x, scale_factor=factor, mode=mode), *rows)


def test_normalisation_by_groups_and_planes() -> None:
    weight, bias = drawn(6), drawn(6)
    rows = [(drawn(2, 6, n),) for n in (5, 1, 8)]
    check(lambda x: F.group_norm(x, 3, weight, bias), *rows)
    check(lambda x: F.instance_norm(x, weight=weight, bias=bias), *rows[::2])
    check(lambda x: F.instance_norm(x), (drawn(2, 6, 4, 3),), (drawn(1, 6, 2, 5),))


def test_in_an_if_and_a_loop() -> None:
    kernel = drawn(2, 2, 3)

    def program(x: Tensor) -> Tensor:
        for _ in range(x.shape[0]):
            if x.sum() > 0:
                x = F.elu(F.conv1d(x, kernel, padding=1))
            else:
                x = F.avg_pool1d(x, 3, 1, 1) + 1
        return x

    check(program, *[(drawn(n, 2, 6),) for n in (3, 1, 4)], dynamic=({0: "n"},))


def test_weights_from_an_input() -> None:
    def program(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        return F.conv2d(x, weight), F.conv_transpose2d(x, weight.transpose(0, 1))

    rows = [(drawn(n, 2, 5, 4), drawn(3, 2, 2, 3)) for n in (2, 1)]
    check(program, *rows, dynamic=({0: "n"}, None))
    with pytest.raises(fxexport.UnsupportedError, match="float64 with weights of an unknown size"):
        fxexport.export(lambda x, w: F.conv2d(x, w), rows[0], dynamic=True)
