"""An outline as text, as a Graphviz document, as JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from onnx import helper
from rich.console import Console

from fxexport.outline.data import outline_as_json
from fxexport.outline.dot import outline_as_dot
from fxexport.outline.model import Arm, Check, Construct, Loop, Operators, Outline, Place, Step
from fxexport.outline.read import outline_of
from fxexport.outline.text import loop_text, place_text, print_outline, row_text, tree_lines
from fxexport.report.signature import dimension
from tests.outline.files import BOOL, FLOAT, choosing, looping, saved, scalar

STEPS: tuple[Step, ...] = (
    Operators(("Shape", "Gather")),
    Construct(
        "If",
        "branch",
        (
            Arm("then", (Operators(("Relu",)),)),
            Arm(
                "else",
                (
                    Construct(
                        "Loop",
                        "loop",
                        (Arm("body", ()),),
                        Place("/a/b.py", 4, "f", "for row in x:"),
                        "",
                        Loop("computed", False, 2, 1),
                    ),
                    Check("needs n >= 2 (b.py:9)"),
                ),
            ),
        ),
        Place("/a/b.py", 3, "f", 'if x > 0 and "y":'),
    ),
)


def outline(steps: tuple[Step, ...] = STEPS) -> Outline:
    entry = {"name": "x", "kind": "tensor", "dtype": "float32",
             "shape": [dimension("n", 2)], "values": None}  # fmt: skip
    contract = {
        "checked": True,
        "relations": [{"text": "n >= 2", "place": "b.py:9: assert n > 1"}],
        "pins": [],
        "guards": [],
    }
    return Outline(
        "m.onnx", 2048, "by hand 1", {"ai.onnx": 21, "own": 1, "unused": 1}, [entry], [entry],
        steps, {"If": 1, "own::A": 20}, 4_000, ("m.data",), contract,
    )  # fmt: skip


def printed(one: Outline, width: int = 80, *, terminal: bool = False, full: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system=None,
        highlight=False, legacy_windows=False,
    )  # fmt: skip
    with console.capture() as capture:
        print_outline(console, one, full=full)
    return capture.get()


def test_the_tree_has_each_construct_with_its_line_and_each_arm() -> None:
    assert tree_lines(STEPS) == [
        "Shape → Gather",
        'If  /a/b.py:3  if x > 0 and "y":',
        "├── then  Relu",
        "└── else",
        "    ├── Loop  /a/b.py:4  for row in x:  (trips: computed; carries 2; collects 1)",
        "    │   └── body  nothing: values pass through",
        "    └── checks  needs n >= 2 (b.py:9)",
    ]


def test_without_numbers_the_code_tells_lines_apart() -> None:
    assert tree_lines(STEPS, numbers=False)[1] == 'If  /a/b.py  if x > 0 and "y":'


def test_everything_is_said_once() -> None:
    text = printed(outline())
    assert text.splitlines()[:4] == [
        "m.onnx",
        "ONNX opset 21, own 1, 21 nodes, 2.0 KB, weights 4.0 KB in m.data, written by by hand 1",
        "",
        "inputs   x  float32[n]",
    ]
    assert "Sizes\n  n  2 or more  x[0], x[0]\n" in text
    assert "Control flow: 1 If, 1 Loop, up to 2 deep" in text
    assert "Contract, checked when it runs\n  needs  n >= 2  b.py:9: assert n > 1\n" in text
    assert text.endswith("Operators\n  If 1, own::A 20\n")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_tree_keeps_to_the_width_of_a_terminal(width: int) -> None:
    shown = printed(outline(), width, terminal=True).partition("Control flow")[2]
    tree = shown.partition("\n\n")[0]
    assert max(map(len, tree.splitlines())) <= width
    assert "carries" in tree


def test_lines_stay_whole_where_there_is_no_terminal() -> None:
    assert "(trips: computed; carries 2; collects 1)" in printed(outline(), 40)


def test_a_file_without_control_flow_says_so() -> None:
    text = printed(outline((Operators(("Relu",)),)))
    assert "Control flow: none\nRelu\n" in text


@pytest.mark.parametrize(
    ("types", "full", "expected"),
    [
        (["A"] * 3, False, "A → A → A"),
        (["A"] * 8 + ["B"] * 2, False, "10 operators: A 8, B 2"),
        (list("AABCDEFGH"), False, "9 operators: A 2, B 1, C 1, D 1, …"),
        (["A"] * 9, True, " → ".join(["A"] * 9)),
    ],
)
def test_long_rows_are_counted_unless_all_is_asked_for(
    types: list[str], full: bool, expected: str
) -> None:
    assert row_text(types, full) == expected


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        (Loop(1, False, 0, 0), "1 trip"),
        (Loop(5, True, 1, 0), "at most 5 trips; carries 1"),
        (Loop("open", True, 0, 2), "until a condition; collects 2"),
        (Loop("computed", True, 0, 0), "trips: computed, or until a condition"),
    ],
)
def test_a_loop_says_how_often_it_runs(loop: Loop, expected: str) -> None:
    assert loop_text(loop) == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/v/lib/python3.13/site-packages/transformers/masking_utils.py",
         "transformers/masking_utils.py:3"),
        ("/elsewhere/m.py", "/elsewhere/m.py:3"),
    ],
)  # fmt: skip
def test_places_are_short(file: str, expected: str) -> None:
    assert place_text(Place(file, 3)) == expected


def test_a_path_below_the_current_folder_is_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert place_text(Place(str(tmp_path / "sub" / "m.py"), 3)) == "sub/m.py:3"


def test_a_construct_without_a_line_has_its_name(tmp_path: Path) -> None:
    path = looping(tmp_path / "l.onnx")
    assert tree_lines(outline_of(path).steps)[0] == (
        "Loop  the_loop  (3 trips; carries 1; collects 1)"
    )


def test_the_graphviz_document_is_balanced_and_escapes_text() -> None:
    text = outline_as_dot(outline())
    assert text.count("{") == text.count("}") == 1 + 3
    assert '\\"y\\"' in text
    assert '[label="If\\n/a/b.py:3' in text
    names = {part.split()[0] for part in text.splitlines() if "[label=" in part}
    arrows = [part.split() for part in text.splitlines() if "->" in part]
    assert all({start, end.rstrip(";")} <= names for start, _, end, *_ in arrows)


def test_json_holds_the_tree_and_the_contract(tmp_path: Path) -> None:
    data = json.loads(outline_as_json(outline()))
    assert data["schema"] == 1
    assert data["steps"][0] == {"operators": ["Shape", "Gather"]}
    inner = data["steps"][1]["arms"][1]["steps"]
    assert inner[0]["loop"] == {"trips": "computed", "may_stop": False, "carried": 2,
                                "collected": 1}  # fmt: skip
    assert inner[0]["place"]["line"] == 4
    assert inner[1] == {"check": "needs n >= 2 (b.py:9)"}
    assert data["contract"]["relations"][0]["text"] == "n >= 2"
    graph = helper.make_graph(
        [choosing()], "g", [scalar("x", FLOAT), scalar("c", BOOL)], [scalar("y", FLOAT)]
    )
    read = outline_of(saved(graph, tmp_path / "i.onnx"))
    assert json.loads(outline_as_json(read))["steps"][0]["kind"] == "If"
