"""Transforms of known lengths: short, composed, and with large prime factors."""

from __future__ import annotations

import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch

import fxexport

# Up to 512 one matrix; 600 and 2048 in two steps, 1021 and 4099 are primes, 1042 is twice one.
LENGTHS = (1, 2, 7, 97, 400, 512, 600, 1021, 1042, 2048, 4099)


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
    x = torch.randn(2, length, generator=torch.Generator().manual_seed(length))

    def there(x: torch.Tensor) -> torch.Tensor:
        return torch.view_as_real(torch.fft.rfft(x, norm=norm))

    def back(x: torch.Tensor) -> torch.Tensor:
        c = torch.fft.ifft(torch.fft.fft(x, norm=norm) * 1j, norm=norm)
        return torch.fft.irfft(c[..., : length // 2 + 1], n=length, norm=norm)

    _close(_got(there, x), there(x.double()).float(), 1e-6)
    _close(_got(back, x), back(x.double()).float(), 1e-5)


def test_float64_keeps_its_digits() -> None:
    x = torch.randn(2, 600, dtype=torch.float64)
    function = lambda x: torch.view_as_real(torch.fft.fft(x))  # noqa: E731
    _close(_got(function, x), function(x), 1e-13)


@pytest.mark.parametrize("opset", [18, 20, 21])
@pytest.mark.parametrize("length", [5, 12, 100])
def test_dynamic_lengths_in_each_opset(opset: int, length: int) -> None:
    function = lambda x: torch.fft.irfft(torch.fft.rfft(x) * 2, n=x.shape[-1])  # noqa: E731
    x = torch.randn(2, 16)
    exported = fxexport.export(function, x, dynamic=({1: "n"},), opset=opset, verify=False)
    session = onnxruntime.InferenceSession(exported.model.SerializeToString())
    given = torch.randn(2, length)
    (out,) = session.run(None, {"x": given.numpy()})
    _close(torch.from_numpy(out), given * 2, 1e-6)


def test_a_short_transform_is_one_product() -> None:
    function = lambda x: torch.view_as_real(torch.fft.rfft(x))  # noqa: E731
    exported = fxexport.export(function, torch.randn(8, 400), verify=False)
    kinds = [node.op_type for node in exported.model.graph.node]
    assert kinds.count("MatMul") == 1 and "DFT" not in kinds
