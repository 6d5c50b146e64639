"""Every program that TorchScript takes is exported from its script too, and agrees."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch

import fxexport
from tests.programs import all_programs
from tests.programs.program import Program
from tests.random_programs import generate, load
from tests.support.harness import Outcome, run_model
from tests.support.scripted import annotated, archived, same_in_eager, scripted

long = pytest.mark.long

# How many random programs are tried, from seed 0.
RANDOM = 40
# A script in memory is read as one from an archive is, but for the names of its classes.
SAMPLE = random.Random(0).sample(all_programs(), 150)


def _outcome(
    make: Callable[[], Callable[..., Any]], inputs: Any, dynamic: Any, through: str
) -> Outcome | None:
    """What becomes of a script; None for a program that has none, or that means another thing."""

    def made() -> Any:
        script = scripted(make())
        return archived(script) if through == "archive" else script

    if scripted(make()) is None or not same_in_eager(make, made, inputs):
        return None
    return run_model(made, inputs, dynamic=dynamic)


def _check(program: Program, through: str) -> None:
    outcome = _outcome(program.make, program.inputs, program.dynamic, through)
    if outcome is None:
        pytest.skip("TorchScript does not take it, or takes it for something else")
    # A script may be clearer than Python, so that what is refused there may be exported here.
    if program.fast_paths and "needs a key for each row" in outcome.details:
        return
    clear = program.expect == "export" and program.scripted and not program.fast_paths
    allowed = {"agree"} if clear else {"agree", "refused"}
    assert outcome.status in allowed, f"{outcome.status}: {outcome.details}"


def test_attention_without_a_key_raises_where_pytorch_gives_no_numbers() -> None:
    torch.manual_seed(0)
    model = torch.jit.script(torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval())
    x, pad = torch.randn(2, 4, 8), torch.tensor([[False] * 4, [False, False, True, True]])
    exported = fxexport.export(model, (x,), kwargs={"src_key_padding_mask": pad}, verify=False)
    feed = {"src": x.numpy(), "src_key_padding_mask": pad.numpy()}
    session = onnxruntime.InferenceSession(exported.model.SerializeToString())
    (found,) = session.run(None, feed)
    assert torch.allclose(torch.from_numpy(found), model(x, src_key_padding_mask=pad), atol=1e-5)
    feed["src_key_padding_mask"] = torch.tensor([[False] * 4, [True] * 4]).numpy()
    with pytest.raises(Exception, match="needs a key for each row"):
        session.run(None, feed)


@long
@pytest.mark.parametrize("program", all_programs(), ids=lambda program: program.name)
def test_program_from_an_archive_agrees_with_pytorch(program: Program) -> None:
    _check(program, "archive")


@pytest.mark.parametrize("program", SAMPLE, ids=lambda program: program.name)
def test_a_sample_of_scripted_programs_agrees_with_pytorch(program: Program) -> None:
    _check(program, "module")


@pytest.mark.slow
@pytest.mark.parametrize("program", all_programs(), ids=lambda program: program.name)
def test_every_scripted_program_agrees_with_pytorch(program: Program) -> None:
    _check(program, "module")


def test_most_programs_are_taken_by_torchscript() -> None:
    """Else the tests above would show nothing."""
    assert sum(scripted(program.make()) is not None for program in all_programs()) > 200


def _random(seed: int, folder: Path) -> Outcome | None:
    program = generate(seed)
    make = load(annotated(program), folder, f"random_script_{seed}")
    return _outcome(make, program.inputs(), True, "archive" if seed % 2 else "module")


def _failures(outcomes: dict[int, Outcome | None], status: str) -> str:
    return "\n".join(
        f"# seed {seed}: {outcome.details}\n{annotated(generate(seed))}"
        for seed, outcome in outcomes.items()
        if outcome is not None and outcome.status == status
    )


@long
def test_random_scripts_agree_with_pytorch(tmp_path: Path) -> None:
    outcomes = {seed: _random(seed, tmp_path) for seed in range(RANDOM)}
    assert _failures(outcomes, "wrong") == ""
    assert _failures(outcomes, "crashed") == ""
    taken = [outcome for outcome in outcomes.values() if outcome is not None]
    refused = [outcome for outcome in taken if outcome.status == "refused"]
    assert len(taken) > 0.4 * RANDOM
    assert len(refused) <= max(1, 0.05 * len(taken)), _failures(outcomes, "refused")
