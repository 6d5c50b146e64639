"""Comparing an engine on a GPU with PyTorch. Not run yet: no GPU has been at hand."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch

from fxexport.graph.captured import CapturedGraph
from fxexport.graph.outputs import without_padding
from fxexport.graph.values import Eager
from fxexport.inputs import PreparedInputs
from fxexport.profiles import Profile
from fxexport.report.model import VerifiedCase
from fxexport.verify.cases import CaseMaker, effort_for
from fxexport.verify.compare import compare_outputs, largest
from fxexport.verify.reference import EagerModel, copies
from fxexport.verify.unchecked import checked

__all__ = ["verify_engine"]

_TRIES = 24
"""Further inputs, of other sizes and values, so that both paths of branches are taken."""


class RunnableEngine(Protocol):
    output_names: list[str]

    def run(self, inputs: Mapping[str, Eager]) -> list[torch.Tensor]: ...


def verify_engine(
    graph: CapturedGraph,
    engine: RunnableEngine,
    reference: EagerModel,
    prepared: PreparedInputs,
    *,
    seed: int = 0,
) -> list[VerifiedCase]:
    """Runs an engine at min, opt and max of every profile, at a few sizes between, on other values.

    Inputs that lie outside of every profile, or that the model itself refuses, are left out.

    Args:
        graph: what was captured.
        engine: the loaded engine.
        reference: runs the user's model in PyTorch on flat inputs.
        prepared: the inputs of the export.
        seed: for the inputs that are made.

    Returns:
        One comparison a set of inputs. Floats are compared as half precision is: TensorRT
        multiplies float32 matrices in TF32, which has as many digits.
    """
    elements = sum(torch.Size(hint).numel() for hint in prepared.hints)
    maker = CaseMaker(graph, prepared, seed, effort_for(graph, elements, 8))
    found = []
    cases = (maker.of_profiles(lambda _: None), maker.other_values(), maker.searching(_TRIES))
    for case in itertools.chain(*cases):
        named = graph.by_name(case.inputs)
        if not _within(prepared.profiles, named):
            continue
        try:
            with checked(graph):
                expected = list(reference(copies(case.inputs)))
        except Exception:  # whatever the user's model raises on inputs that were made up
            continue
        got = dict(zip(engine.output_names, engine.run(named), strict=True))
        outputs = compare_outputs(
            [spec for spec in graph.outputs if spec.of_model],
            expected,
            without_padding(graph.outputs, [got[spec.name].cpu() for spec in graph.outputs]),
            torch.float16,
            largest(case.inputs),
        )
        wrong = next((o for o in outputs if not o.ok), None)
        message = "" if wrong is None else f"output {wrong.name!r}: {wrong.message}"
        found.append(VerifiedCase(f"engine, {case.label}", wrong is None, outputs, message))
    return found


def _within(profiles: Sequence[Profile], inputs: Mapping[str, Eager]) -> bool:
    """Whether a profile takes inputs; a file of fixed sizes has none."""
    tensors = {name: torch.as_tensor(value) for name, value in inputs.items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return not profiles or any(
        not profile.misfit(
            shapes, {name: tensors[name].reshape(-1).tolist() for name in profile.values}
        )
        for profile in profiles
    )
