"""Transforms of known lengths: short, composed, and with large prime factors."""

from __future__ import annotations

import math

import onnx
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch

import fxexport

# Up to 300 one matrix. In two steps with even factors 304, 400, 600 and 2048; 450 and 1042 have one
# even factor, 675 has none; 1021 and 4099 are primes, 4084 is four times one.
LENGTHS = (1, 2, 7, 97, 256, 304, 400, 450, 512, 600, 675, 1021, 1042, 2048, 4084, 4099)


def _random(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=dtype, generator=generator)


def _got(function: object, x: torch.Tensor, **options: object) -> torch.Tensor:
    exported = fxexport.export(function, x, verify=False, **options)  # type: ignore[arg-type]
    session = onnxruntime.InferenceSession(exported.model.SerializeToString())
    (out,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return torch.from_numpy(out)


def _close(got: torch.Tensor, expected: torch.Tensor, bound: float) -> None:
    """Beside the largest value, as errors of transforms are told."""
    assert got.shape == expected.shape
    assert (got - expected).abs().max() <= bound * expected.abs().max()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("norm", ["backward", "ortho"])
def test_each_length_there_and_back(length: int, norm: str) -> None:
    x = _random(2, length)

    def there(x: torch.Tensor) -> torch.Tensor:
        return torch.view_as_real(torch.fft.rfft(x, norm=norm))

    def back(x: torch.Tensor) -> torch.Tensor:
        c = torch.fft.ifft(torch.fft.fft(x, norm=norm) * 1j, norm=norm)
        return torch.fft.irfft(c[..., : length // 2 + 1], n=length, norm=norm)

    _close(_got(there, x), there(x.double()).float(), 1e-6)
    _close(_got(back, x), back(x.double()).float(), 1e-5)


def test_float64_keeps_its_digits() -> None:
    x = _random(2, 600, dtype=torch.float64)
    function = lambda x: torch.view_as_real(torch.fft.fft(x))  # noqa: E731
    _close(_got(function, x), function(x), 1e-13)


@pytest.mark.parametrize("opset", [18, 20, 21])
@pytest.mark.parametrize("length", [5, 12, 100])
def test_dynamic_lengths_in_each_opset(opset: int, length: int) -> None:
    function = lambda x: torch.fft.irfft(torch.fft.rfft(x) * 2, n=x.shape[-1])  # noqa: E731
    x = _random(2, 16)
    exported = fxexport.export(function, x, dynamic=({1: "n"},), opset=opset, verify=False)
    session = onnxruntime.InferenceSession(exported.model.SerializeToString())
    given = _random(2, length)
    (out,) = session.run(None, {"x": given.numpy()})
    _close(torch.from_numpy(out), given * 2, 1e-6)


def test_a_short_transform_is_one_product() -> None:
    function = lambda x: torch.view_as_real(torch.fft.rfft(x))  # noqa: E731
    exported = fxexport.export(function, _random(8, 256), verify=False)
    kinds = [node.op_type for node in exported.model.graph.node]
    assert kinds.count("MatMul") == 1 and "DFT" not in kinds


@pytest.mark.parametrize("length", [304, 480, 1024])
def test_what_no_real_tensor_has_counts_for_nothing(length: int) -> None:
    """Imaginary parts of the first value and of the middle one; values behind the middle."""
    parts = _random(3, length // 2 + 4, 2)
    function = lambda x: torch.fft.irfft(torch.view_as_complex(x), n=length)  # noqa: E731
    _close(_got(function, parts), function(parts.double()).float(), 1e-6)


@pytest.mark.parametrize("shape", [(400,), (2, 400, 3), (1, 2, 3, 400)])
def test_two_steps_along_any_dimension(shape: tuple[int, ...]) -> None:
    x = _random(*shape, dtype=torch.float64)
    dim = shape.index(400)
    there = lambda x: torch.view_as_real(torch.fft.rfft(x, dim=dim))  # noqa: E731
    back = lambda x: torch.fft.irfft(torch.fft.rfft(x, dim=dim) * 1j, dim=dim)  # noqa: E731
    for function in (there, back):
        got, expected = _got(function, x), function(x)
        assert got.shape == expected.shape
        assert torch.allclose(got, expected, rtol=0, atol=1e-11)


def test_two_steps_without_imaginary_parts() -> None:
    x = _random(3, 201, dtype=torch.float64)
    function = lambda x: torch.fft.irfft(x, n=400)  # noqa: E731
    _close(_got(function, x), function(x), 1e-13)


def test_a_real_transform_takes_half_of_the_products() -> None:
    """Of what ``32 * 32`` complex values would take in two steps."""
    function = lambda x: torch.view_as_real(torch.fft.rfft(x))  # noqa: E731
    exported = fxexport.export(function, _random(8, 1024), verify=False)
    model = onnx.shape_inference.infer_shapes(exported.model)
    shapes = {value.name: _dims(value.type) for value in model.graph.value_info}
    shapes |= {value.name: list(value.dims) for value in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    taken = sum(math.prod(shapes[p.output[0]]) * shapes[p.input[0]][-1] for p in products)
    complex_ones = 8 * 1024 * (2 * 32 + 4 * 32)
    assert len(products) == 2 and taken <= 0.6 * complex_ones


def _dims(kind: onnx.TypeProto) -> list[int]:
    return [dim.dim_value for dim in kind.tensor_type.shape.dim]
