"""What only TorchScript has: its types, objects, methods, and where it meets plain Python."""

from __future__ import annotations

import importlib.util
import linecache
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
import torch
from torch import nn

import fxexport
from fxexport._torch_compat import torchscript as ir
from fxexport.capture.torchscript.table import handler_for
from fxexport.errors import UnsupportedError
from tests.programs.program import TORCH
from tests.support.capturing import agrees, captured, findings, refused, rows
from tests.support.harness import run_model
from tests.support.script_models import (
    Buffered,
    Ignoring,
    Mixed,
    Objects,
    Remembering,
    Shift,
    Watched,
    all_dicts,
    all_factories,
    all_lists,
    all_numbers,
    all_subscripts,
    all_texts,
    attribute_in_branch,
    decorated,
    narrowed,
    numbers_of_all_kinds,
    object_from_branch,
    optional_argument,
    optional_from_branch,
    optional_from_loop,
    raised_in_branch,
    sizes_as_tensor,
    strings,
    tasks,
    unscriptable,
)
from tests.support.scripted import archived, scripted

LENGTHS = rows(2, 0, 1, 5)
MATRICES = rows(2, 0, 1, 5, features=3)


def script_agrees(make: Any, inputs: Any, dynamic: Any = True) -> None:
    """From the script and from an archive of it."""
    for through in (lambda script: script, archived):
        outcome = run_model(
            lambda through=through: through(scripted(make())), inputs, dynamic=dynamic
        )
        assert outcome.status == "agree", f"{outcome.status}: {outcome.details}"


# -- every operator of TorchScript's is handled, or refused by name --------------------------------


@pytest.mark.skipif(
    TORCH < (2, 13), reason="older PyTorch has a few more; they are refused by name"
)
def test_every_operator_of_the_registry_has_a_handler() -> None:
    missing = [
        str(schema)
        for schema in ir.all_schemas()
        if handler_for(
            schema.name, ".".join(filter(None, (schema.name, schema.overload_name))), str(schema)
        )
        is None
    ]
    assert missing == []


def test_an_unknown_operator_has_none() -> None:
    assert handler_for("prim::NoSuchThing", "prim::NoSuchThing", "") is None


@pytest.mark.parametrize(
    "kind",
    [
        "If", "Loop", "RaiseException", "CallFunction", "CallMethod", "GetAttr", "SetAttr",
        "CreateObject", "ListConstruct", "TupleConstruct", "DictConstruct", "ListUnpack",
        "TupleUnpack", "TupleIndex", "TupleSlice", "isinstance", "unchecked_cast", "Uninitialized",
        "fork", "Enter", "Exit", "EnumName", "EnumValue", "PythonOp", "Closure", "tolist",
        "ModuleContainerIndex", "annotate", "Print", "rangelist",
    ],
)  # fmt: skip
def test_every_node_without_a_schema_has_a_handler(kind: str) -> None:
    assert handler_for(f"prim::{kind}", f"prim::{kind}", "") is not None


def test_dtypes_have_the_numbers_that_torchscript_knows() -> None:
    @torch.jit.script
    def number(x: torch.Tensor) -> int:
        return x.dtype

    for dtype, expected in ir.SCALAR_TYPES.items():
        assert number(torch.empty(0, dtype=dtype)) == expected


# -- classes, enums, interfaces, containers --------------------------------------------------------


def test_objects_enums_interfaces_and_named_tuples() -> None:
    script_agrees(lambda: Objects().eval(), LENGTHS)


def test_named_tuples_name_the_outputs() -> None:
    exported = captured(scripted(Objects().eval()), torch.randn(3))
    assert [spec.name for spec in exported.graph.outputs][:2] == [
        "output_0_place",
        "output_0_number",
    ]


def test_objects_in_an_archive_whose_class_python_does_not_have(tmp_path: Any) -> None:
    """A class is known to Python by name alone: under another name it is not."""
    torch.jit.save(scripted(Objects().eval()), str(tmp_path / "a.pt"))
    code = (
        "import torch, fxexport; m = torch.jit.load('a.pt');"
        "e = fxexport.export(m, (torch.randn(3),), dynamic=True);"
        "print(e.report.verification.ok, len(e.report.verification.cases) > 3)"
    )
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_the_users_objects_are_left_as_they_were() -> None:
    model = scripted(Objects().eval())
    for _ in range(2):
        fxexport.export(model, (torch.randn(3),), dynamic=True)
    assert model.names == ["a", "b"]
    assert model(torch.randn(3))[3] == 5


def test_what_is_written_to_attributes_is_reported() -> None:
    exported = captured(scripted(Objects().eval()), torch.randn(3))
    notes = [finding.message for finding in exported.report.of_kind("note")]
    assert any("Counter.value" in note for note in notes)


def test_an_object_written_in_a_branch_is_merged() -> None:
    script_agrees(lambda: attribute_in_branch, LENGTHS)


def test_tasks_run_in_order() -> None:
    script_agrees(lambda: tasks, LENGTHS)


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (all_numbers, [(row, f) for (row,) in LENGTHS[3:] for f in (0.5, -2.7)]),
        (all_lists, LENGTHS),
        (all_dicts, LENGTHS),
        (all_subscripts, rows(2, 1, 5, features=3)),
        (all_factories, MATRICES),
    ],
)
def test_what_python_writes_means_what_torchscript_makes_of_it(function: Any, inputs: Any) -> None:
    script_agrees(lambda: function, inputs)


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (optional_from_branch, LENGTHS),
        (optional_from_loop, MATRICES),
        (object_from_branch, LENGTHS),
        (narrowed, LENGTHS),
    ],
)
def test_what_may_be_none_and_objects_of_either_way(function: Any, inputs: Any) -> None:
    script_agrees(lambda: function, inputs)


def test_texts() -> None:
    agrees(scripted(all_texts), LENGTHS)


def test_numbers_follow_torchscript() -> None:
    script_agrees(lambda: numbers_of_all_kinds, LENGTHS)


def test_strings() -> None:
    agrees(scripted(strings), LENGTHS)


def test_optional_arguments() -> None:
    agrees(scripted(optional_argument), LENGTHS)
    agrees(scripted(optional_argument), [(row[0], row[0][:1]) for row in LENGTHS if len(row[0])])


def test_a_tensor_of_sizes_is_not_the_examples() -> None:
    script_agrees(lambda: sizes_as_tensor, MATRICES)


def test_an_exception_is_an_assumption_with_its_class_and_line() -> None:
    exported = captured(scripted(raised_in_branch), torch.randn(3))
    (finding,) = exported.report.of_kind("assumption")
    assert "ValueError: too many" in finding.message
    assert finding.location is not None
    assert finding.location.code == "if x.shape[0] > 100:"


def test_what_a_branch_alone_reads_and_writes_is_merged() -> None:
    script_agrees(lambda: Remembering().eval(), rows(3))


def test_state_in_attributes_is_forgotten_with_a_note_or_refused() -> None:
    model = scripted(Remembering().eval())
    exported = captured(model, torch.randn(3))
    notes = [finding.message for finding in exported.report.of_kind("note")]
    assert any("Remembering.count" in note for note in notes)
    assert any("a list" in note for note in notes)
    for choice in ("refuse", "io"):
        with pytest.raises(fxexport.UnsupportedError, match="survives the call"):
            fxexport.export(model, (torch.randn(3),), state=choice)
    assert (model.count, model.seen) == (0, [1])


def test_buffers_become_inputs_and_outputs_when_asked_for() -> None:
    model = scripted(Buffered().eval())
    before = model.total
    exported = fxexport.export(model, (torch.randn(3),), dynamic=True, state="io")
    assert exported.report.verification is not None
    assert exported.report.verification.ok
    assert [entry.path for entry in exported.graph.state] == ["total"]
    assert model.total is before
    assert torch.equal(before, torch.zeros(3))


# -- where lines come from -------------------------------------------------------------------------


def test_findings_nodes_and_refusals_name_the_users_line() -> None:
    for model in (scripted(Shift(1.0)), archived(scripted(Shift(1.0)))):
        exported = captured(model, torch.randn(3))
        line = Shift.forward.__code__.co_firstlineno + 1
        assert findings(exported, "branch") == [("branch", line)]
        node = next(n for n in exported.graph.module.graph.nodes if "sum" in str(n.target))
        assert node.meta["source"][0].line == line
        assert node.meta["source"][0].function == "forward"


def test_weights_keep_their_names() -> None:
    exported = captured(archived(scripted(Objects().eval())), torch.randn(3))
    assert {"part.by", "parts.a.by", "parts.b.by"} <= set(exported.graph.weights)


# -- scripted things inside plain Python -----------------------------------------------------------


def test_scripted_parts_are_read_inside_a_python_model() -> None:
    agrees(Mixed().eval(), LENGTHS)
    exported = captured(Mixed().eval(), torch.randn(3))
    assert {"inner.by", "scale"} <= set(exported.graph.weights)
    assert len(findings(exported, "loop")) == 1


def test_python_code_sees_what_its_scripted_part_has_written() -> None:
    outcome = run_model(lambda: Watched().eval(), rows(3))
    assert outcome.status == "agree", outcome.details
    model = Watched().eval()
    fxexport.export(model, (torch.randn(3),), dynamic=True, verify=False)
    assert (model.part.count, model.part.seen) == (0, [1])


# -- traces ----------------------------------------------------------------------------------------


def test_a_trace_is_exported_and_said_to_have_lost_its_branches() -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), torch.randn(2, 3))
    for model in (traced, archived(traced)):
        exported = captured(model, torch.randn(2, 3))
        notes = [finding.message for finding in exported.report.of_kind("note")]
        assert any("torch.jit.trace" in note for note in notes)
    script = captured(scripted(Shift(1.0)), torch.randn(3))
    assert not script.report.of_kind("note")


# -- the choice of the front-end -------------------------------------------------------------------


def test_capture_script_scripts_the_model_first() -> None:
    exported = fxexport.export(decorated, (torch.randn(3),), dynamic=True, capture="script")
    assert exported.report.verification is not None
    assert exported.report.verification.ok
    assert len(exported.report.of_kind("branch")) == 1


def test_what_the_compiler_refuses_is_refused_with_its_line() -> None:
    with pytest.raises(fxexport.UnsupportedError, match="variable number of arguments") as caught:
        fxexport.export(unscriptable, (torch.randn(3),), capture="script")
    assert caught.value.location is not None
    assert caught.value.location.file.endswith("script_models.py")


def test_an_unknown_front_end_is_wrong_usage() -> None:
    with pytest.raises(fxexport.UsageError, match="auto, python, script"):
        fxexport.export(decorated, (torch.randn(3),), capture="trace")


def test_what_torchscript_ignores_is_refused_where_it_is_reached() -> None:
    model = scripted(Ignoring())
    agrees(model, [(torch.randn(3), "neither")])
    error = refused(model, [(torch.randn(3), "ignored")])
    assert "ignored by TorchScript" in error.message
    with pytest.raises(fxexport.ModelError, match="annotated to be ignored"):
        fxexport.export(model, (torch.randn(3), "unused"))


def left_alone(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        return x + 1
    return x - 1


# Capture does not read the functions of such a package; TorchScript's compiler does.
left_alone = FunctionType(left_alone.__code__, {**globals(), "__name__": "scipy"})


def calls_what_is_left_alone(x: torch.Tensor) -> torch.Tensor:
    return left_alone(x) * 2


def test_what_plain_python_is_refused_for_is_read_through_torchscript_and_said() -> None:
    example = (torch.randn(3),)
    with pytest.raises(fxexport.UnsupportedError):
        fxexport.export(calls_what_is_left_alone, example, capture="python")
    exported = fxexport.export(calls_what_is_left_alone, example, dynamic=True)
    assert exported.report.verification is not None
    assert exported.report.verification.ok
    assert len(exported.report.of_kind("branch")) == 1
    (note,) = exported.report.of_kind("note")
    assert "read through TorchScript" in note.message


def test_torchscript_is_not_tried_unless_the_outcome_is_compared() -> None:
    with pytest.raises(fxexport.UnsupportedError):
        fxexport.export(calls_what_is_left_alone, (torch.randn(3),), verify=False)


SOURCE = """
import torch


def gate(x: torch.Tensor) -> torch.Tensor:
    if x.sum() > 0:
        return x * 2
    return x
"""


def test_an_archive_shows_lines_of_files_that_are_gone(tmp_path: Path) -> None:
    file = tmp_path / "gone.py"
    file.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("gone", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    archive = archived(scripted(module.gate))
    file.unlink()
    linecache.checkcache()
    (finding,) = captured(archive, torch.randn(3)).report.of_kind("branch")
    assert finding.location is not None
    assert (finding.location.file, finding.location.line) == (str(file), 6)
    assert finding.location.code == "if x.sum() > 0:"


def test_padded_rows_of_a_scripted_encoder_are_refused() -> None:
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder = torch.jit.script(torch.nn.TransformerEncoder(layer, 1).eval())
    x, padding = torch.randn(2, 4, 8), torch.tensor([[False] * 4, [False, False, True, True]])
    captured(encoder, x)
    with pytest.raises(fxexport.UnsupportedError, match="src_key_padding_mask"):
        captured(lambda x, pad: encoder(x, src_key_padding_mask=pad), x, padding)


class _NamedOtherwise(torch.nn.Module):
    def forward(this, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return x + 1
        return x - 1


def test_a_method_may_call_its_module_by_any_name() -> None:
    exported = fxexport.export(torch.jit.script(_NamedOtherwise()), (torch.ones(3),), dynamic=True)
    assert [entry["name"] for entry in exported.report.inputs] == ["x"]


def test_a_module_with_several_forwards_is_refused_as_a_script() -> None:
    with pytest.raises(UnsupportedError, match=r"several forms of GRU\.forward"):
        fxexport.export(torch.nn.GRU(5, 7), (torch.randn(4, 2, 5),), capture="script")
