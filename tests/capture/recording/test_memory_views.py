"""`as_strided` and `resize_`: memory that is read and written by strides, at every size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import fxexport
from fxexport.errors import UnsupportedError
from tests.programs.program import TORCH
from tests.support.building import agrees_and_builds
from tests.support.complex_values import check


def rows(*sizes: int) -> list[tuple[Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(n, 3, generator=generator),) for n in sizes]


def shifted(x: Tensor) -> Tensor:
    y = x * 2
    return y.as_strided((x.shape[0] - 1, 4), (y.stride(0), 1)) + 1


def steps_and_offset(x: Tensor) -> Tensor:
    y = x * 2
    return y.as_strided((x.shape[0] // 2 - 1, 4), (2 * y.stride(0), 1), 2) + 1


def of_an_input(x: Tensor) -> Tensor:
    return x.as_strided((x.shape[0], 2), (x.stride(0), 1), 1)


def rows_as_a_whole(x: Tensor) -> Tensor:
    return (x * 2).as_strided((x.shape[0] - 1, 2, 3), (3, 3, 1))


def beyond_a_view(x: Tensor) -> Tensor:
    y = (x * 2)[1:, 1:]
    return y.as_strided((x.shape[0] - 2, 3), (x.stride(0), 1))


def in_the_order_of_memory(x: Tensor) -> Tensor:
    y = x.t() * 2
    return y.as_strided((2, x.shape[0]), (1, 3))


def hankel(x: Tensor) -> Tensor:
    y = x.flatten() * 1
    n = y.shape[0] // 2
    return y.as_strided((n, n + 1), (1, 1))


def toeplitz(x: Tensor) -> Tensor:
    y = torch.cat([x.flatten().flip(0), x.flatten()[1:]])
    n = x.numel()
    return y.as_strided((n, n), (y.stride(0), y.stride(0))).flip(0)


def as_a_copy(x: Tensor) -> tuple[Tensor, Tensor]:
    source = torch.zeros(x.shape[0], 2)
    copy = torch.as_strided_copy(x * 2, (x.shape[0] - 1, 4), (3, 1))
    return copy, torch.as_strided_scatter(x * 2, source, (x.shape[0], 2), (3, 1), 1)


def written_through(x: Tensor) -> Tensor:
    y = x * 2
    y.as_strided((x.shape[0], 2), (3, 1), 1).add_(1)
    return y


def written_under_either_name(x: Tensor) -> tuple[Tensor, Tensor]:
    y = x * 2
    diagonal = y.as_strided((x.shape[0] - 1,), (3,), 1)
    diagonal[...] = 7
    y += 1
    return y, diagonal


def in_a_branch(x: Tensor) -> Tensor:
    y = x * 2
    if x.sum() > 0:
        z = y.as_strided((x.shape[0] - 1, 4), (y.stride(0), 1))
    else:
        z = y.as_strided((x.shape[0] - 1, 4), (y.stride(0), 1), 1) * 3
    return z


def of_a_branch(x: Tensor) -> Tensor:
    x = F.pad(x, (0, 0, 0, 1)) if x.sum() > 0 else x + 1
    return x.as_strided((x.shape[0] - 1, 4), (x.stride(0), 1))


def in_a_loop(x: Tensor) -> tuple[Tensor, Tensor]:
    y = x * 2
    out = torch.zeros(2, 2)
    for i in range(x.shape[0] - 1):
        out = out + y.as_strided((2, 2), (2, 1), i)
        y.as_strided((2,), (3,)).add_(1)
    return out, y


def made_contiguous(x: Tensor) -> Tensor:
    for _ in range(x.shape[0]):
        x = x + 1
    x = x.contiguous()
    return x.as_strided((x.shape[0] - 1, 4), (3, 1))


def shrunk(x: Tensor) -> Tensor:
    y = x * 2
    y.resize_(x.shape[0] // 2, 2)
    return y + 1


def shrunk_and_written(x: Tensor) -> Tensor:
    y = x * 2
    y.resize_as_(x.t())
    y.add_(1)
    return y


def shrunk_on_one_path(x: Tensor) -> Tensor:
    if x.sum() < 1e6:
        y = x * 2
        y.resize_(2, 3)
    else:
        y = torch.zeros(2, 3)
    return y


def test_growing_on_a_path_is_no_error_of_the_model() -> None:
    """PyTorch gives what lies in memory: the file raises, and does not say that PyTorch does."""
    exported = fxexport.export(shrunk_on_one_path, *rows(5), dynamic=True, verify=False)
    session = onnxruntime.InferenceSession(exported.model.SerializeToString())
    assert shrunk_on_one_path(*rows(1)[0]).shape == (2, 3)
    with pytest.raises(Exception, match="'expected that resize_ is not to more"):
        session.run(None, {"x": rows(1)[0][0].numpy()})


PROGRAMS = [
    shifted,
    steps_and_offset,
    of_an_input,
    rows_as_a_whole,
    beyond_a_view,
    in_the_order_of_memory,
    hankel,
    toeplitz,
    as_a_copy,
    written_through,
    written_under_either_name,
    in_a_branch,
    of_a_branch,
    in_a_loop,
    made_contiguous,
    shrunk,
    shrunk_and_written,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_memory_is_read_and_written_by_strides(program: Callable[..., object]) -> None:
    if program is beyond_a_view and TORCH < (2, 12):
        pytest.skip("slices have sizes of their own there, and it is refused")
    check(program, *rows(8, 4, 13, 3))


def test_chunks_of_a_view_overlap_at_every_length() -> None:
    """As Longformer cuts its sequences, padded to a multiple of the window."""
    weight = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))

    def chunks(x: Tensor) -> Tensor:
        missing = (4 - x.shape[1] % 4) % 4
        if missing > 0:
            x = F.pad(x, (0, 0, 0, missing))
        batch, length, _ = x.shape
        h = F.linear(x.transpose(0, 1), weight).view(length, batch, 2, 4).transpose(0, 1)
        h = h.transpose(1, 2).reshape(batch * 2, length, 4)
        h = h.view(h.size(0), torch.div(h.size(1), 4, rounding_mode="trunc"), 4, h.size(2))
        size, stride = list(h.size()), list(h.stride())
        size[1] = size[1] * 2 - 1
        stride[1] = stride[1] // 2
        return h.as_strided(size=size, stride=stride)

    generator = torch.Generator().manual_seed(0)
    sizes = [(2, 8), (1, 4), (3, 11), (2, 1)]
    check(chunks, *[(torch.randn(b, n, 3, generator=generator),) for b, n in sizes])


def carried(x: Tensor) -> Tensor:
    for _ in range(x.shape[0]):
        x = x + 1
    return x.as_strided((2, 2), (1, 1))


def of_attention(x: Tensor) -> Tensor:
    heads = x[None, None]
    return F.scaled_dot_product_attention(heads, heads, heads).as_strided((2, 2), (1, 1))


def doubly_written(x: Tensor) -> Tensor:
    y = x * 2
    y.as_strided((2, 2), (1, 1)).add_(1)
    return y


def grown(x: Tensor) -> Tensor:
    y = x * 2
    y.resize_(x.numel() + 1)
    return y


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (carried, "how it lies there is not known"),
        (of_attention, "scaled_dot_product_attention"),
        (doubly_written, "two of its elements may lie in one place"),
        (grown, "leaves the new ones undefined"),
    ],
)
def test_what_memory_holds_is_refused_where_it_is_not_known(
    program: Callable[..., object], reason: str
) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        fxexport.export(program, rows(4)[0], dynamic=True)


def test_that_an_input_must_be_contiguous_is_said() -> None:
    report = fxexport.export(of_an_input, rows(4)[0], dynamic=True).report
    assert any("'x' is taken to be contiguous" in finding.message for finding in report.findings)
    report = fxexport.export(of_a_branch, rows(4)[0], dynamic=True).report
    assert any("'x' is taken to be contiguous" in finding.message for finding in report.findings)


def test_a_place_outside_of_memory_is_refused_by_the_file() -> None:
    def outside(x: Tensor, k: Tensor) -> Tensor:
        return (x * 2).as_strided((2,), (1,), int(k.item()))

    (x,) = rows(4)[0]
    exported = fxexport.export(outside, (x, torch.tensor(3)), dynamic=True)
    file = onnxruntime.InferenceSession(exported.model.SerializeToString())
    for k in (0, 10, 11, 12, -1):
        inputs = {"x": x.numpy(), "k": torch.tensor(k).numpy()}
        if k in (0, 10):
            (found,) = file.run(None, inputs)
            assert found.tolist() == outside(x, torch.tensor(k)).tolist()
            continue
        with pytest.raises(RuntimeError):
            outside(x, torch.tensor(k))
        with pytest.raises(Exception, match=r"out of data bounds|needs|expected"):
            file.run(None, inputs)


def test_operators_that_are_taken_apart_lay_out_as_whole_ones() -> None:
    """PyTorch's `logsigmoid` gives a tensor in order, its parts one that lies as it was given."""

    def transposed(x: Tensor) -> Tensor:
        return F.logsigmoid(x.t()).as_strided((3, 2), (1, 2))

    def in_order(x: Tensor) -> Tensor:
        return torch.erfinv(x.clamp(-0.9, 0.9)).as_strided((x.shape[0] - 1, 4), (3, 1))

    with pytest.raises(UnsupportedError, match="log_sigmoid_forward"):
        fxexport.export(transposed, rows(4)[0], dynamic=True)
    check(in_order, *rows(4, 8))


@pytest.mark.parametrize("program", [shifted, rows_as_a_whole, written_through])
def test_engines_are_built(program: Callable[..., object], tmp_path: Path) -> None:
    def static_columns(x: Tensor) -> object:
        return program(x)

    agrees_and_builds(static_columns, rows(8, 4, 12), tmp_path)
