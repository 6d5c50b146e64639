"""The pass as a whole: what a graph says of its complex inputs, outputs, weights and state."""

from __future__ import annotations

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from torch import nn

import fxexport
from fxexport.report.signature import type_text
from tests.support.complex_values import spectrum


class Filter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(spectrum(7, seed=3))
        self.register_buffer("kept", torch.zeros(7, dtype=torch.complex64))

    def forward(self, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.kept = self.kept * 0.5j + c.sum(0) * self.gain
        return self.kept, c.abs()


def program(c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return c * 2j, c.abs()


def test_inputs_and_outputs_are_marked_in_the_graph_and_in_the_report() -> None:
    exported = fxexport.export(program, spectrum(3, 4), dynamic=({0: "n"},))
    (spec,) = exported.graph.inputs
    assert (spec.is_complex, spec.dtype, spec.shape[1:]) == (True, torch.float32, (4, 2))
    assert [out.is_complex for out in exported.graph.outputs] == [True, False]
    assert exported.report.inputs[0]["complex"] and exported.report.outputs[0]["complex"]
    assert not exported.report.outputs[1].get("complex")
    assert type_text(exported.report.inputs[0]) == "complex as float32[n, 4, 2]"


def test_the_file_takes_and_gives_pairs() -> None:
    exported = fxexport.export(program, spectrum(3, 4), dynamic=({0: "n"},))
    session = onnxruntime.InferenceSession(exported.model.SerializeToString())
    c = spectrum(6, 4, seed=9)
    turned, size = session.run(None, {"c": torch.view_as_real(c).numpy()})
    np.testing.assert_allclose(turned[..., 0] + 1j * turned[..., 1], (c * 2j).numpy(), rtol=1e-6)
    np.testing.assert_allclose(size, c.abs().numpy(), rtol=1e-6)


def test_state_goes_in_and_out() -> None:
    exported = fxexport.export(Filter().eval(), spectrum(3, 7), dynamic=({0: "n"},), state="io")
    assert exported.report.verification.ok
    (entry,) = exported.graph.state
    assert entry.spec.is_complex and entry.spec.shape == (7, 2)
    assert exported.initial_state[entry.input].shape == (7, 2)


def test_weights_are_real() -> None:
    exported = fxexport.export(Filter().eval(), spectrum(3, 7), verify=False)
    assert not any(tensor.is_complex() for tensor in exported.graph.weights.values())
    sizes = [list(tensor.dims) for tensor in exported.model.graph.initializer]
    assert sizes.count([7, 2]) == 2  # the gain, and what is kept


def test_profiles_speak_of_the_files_shapes() -> None:
    exported = fxexport.export(
        program, spectrum(3, 4), dynamic=({0: fxexport.Dim("n", 1, 8)},), verify=False
    )
    assert exported.profiles[0].shapes["c"].max == (8, 4, 2)


def test_further_inputs_are_given_as_in_pytorch() -> None:
    exported = fxexport.export(program, spectrum(3, 4), dynamic=({0: "n"},), verify=False)
    assert exported.verify((spectrum(9, 4, seed=5),)).ok
    with pytest.raises(fxexport.UsageError, match="dtype"):
        exported.verify((torch.randn(9, 4),))


def test_only_sizes_and_a_dtype_are_known() -> None:
    given = fxexport.TensorSpec(torch.complex64, ("n", 4))
    exported = fxexport.export(program, given)
    assert exported.report.verification.ok


def test_all_that_is_not_supported_is_told_at_once() -> None:
    def refused(c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a = torch.linalg.eigvals(c)
        return a * 2, torch.linalg.inv(c)

    with pytest.raises(fxexport.UnsupportedError, match="not supported on complex numbers") as told:
        fxexport.export(refused, spectrum(3, 3), verify=False)
    lines = [error.location.line for error in (told.value, *told.value.others) if error.location]
    assert len(set(lines)) == 2


def test_a_graph_of_real_numbers_stays_as_it_is() -> None:
    exported = fxexport.export(lambda x: x.relu(), torch.randn(3), verify=False)
    assert not exported.graph.inputs[0].is_complex
    assert [node.op_type for node in exported.model.graph.node] == ["Relu"]
