"""Files are written whole, or not at all."""

from __future__ import annotations

import builtins
import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from fxexport.errors import OutputError
from fxexport.files import model as writing
from fxexport.files.model import write_model


def make_model(weight: np.ndarray[Any, Any] | None = None) -> ir.Model:
    """y = x + weight inside an If; a small initializer, a large one and one in a body."""
    weight = np.arange(1024, dtype=np.float32) if weight is None else weight
    size = weight.size
    body = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "inner"], ["t"])],
        "then",
        [],
        [onnx.helper.make_tensor_value_info("t", 1, [size])],
        [onnx.numpy_helper.from_array(weight * 2, "inner")],
    )
    other = onnx.helper.make_graph(
        [onnx.helper.make_node("Mul", ["x", "small"], ["e"])],
        "else",
        [],
        [onnx.helper.make_tensor_value_info("e", 1, [size])],
    )
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("If", ["flag"], ["b"], then_branch=body, else_branch=other),
            onnx.helper.make_node("Add", ["b", "large"], ["y"]),
        ],
        "g",
        [
            onnx.helper.make_tensor_value_info("x", 1, [size]),
            onnx.helper.make_tensor_value_info("flag", 9, []),
        ],
        [onnx.helper.make_tensor_value_info("y", 1, [size])],
        [
            onnx.numpy_helper.from_array(np.array(3, np.float32), "small"),
            onnx.numpy_helper.from_array(weight, "large"),
            onnx.numpy_helper.from_array(np.array(["a", "b"], dtype=object), "text"),
        ],
    )
    return ir.from_proto(
        onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10
        )
    )


def names_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("external", [False, True])
def test_what_is_written_is_what_protobuf_would_write(tmp_path: Path, external: bool) -> None:
    model = make_model()
    write_model(model, tmp_path / "m.onnx", external_data=external)
    expected = ir.to_proto(model)
    loaded = onnx.load(tmp_path / "m.onnx")
    if not external:
        assert loaded == expected
    onnx.checker.check_model(loaded)
    for want, got in zip(expected.graph.initializer, loaded.graph.initializer, strict=True):
        assert want.name == got.name
        np.testing.assert_array_equal(
            onnx.numpy_helper.to_array(want), onnx.numpy_helper.to_array(got)
        )


def test_one_file_unless_asked_or_too_large(tmp_path: Path) -> None:
    write_model(make_model(), tmp_path / "one.onnx")
    assert names_in(tmp_path) == ["one.onnx"]
    write_model(make_model(), tmp_path / "two.onnx", limit=4096)
    assert names_in(tmp_path) == ["one.onnx", "two.onnx", "two.onnx.data"]


def test_external_data_names_the_final_file(tmp_path: Path) -> None:
    write_model(make_model(), tmp_path / "m.onnx", external_data=True)
    proto = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    locations = [
        entry.value
        for tensor in proto.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    ]
    assert locations == ["m.onnx.data"]


def test_refuses_one_file_beyond_the_limit(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="more than one ONNX file can hold"):
        write_model(make_model(), tmp_path / "m.onnx", external_data=False, limit=4096)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("external", [False, True])
def test_bytes_are_the_same_every_time(tmp_path: Path, external: bool) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_model(make_model(), tmp_path / name / "m.onnx", external_data=external)
    for file in names_in(tmp_path / "a"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_model_is_left_as_it_was(tmp_path: Path) -> None:
    model = make_model()
    before = [value.const_value for value in model.graph.initializers.values()]
    write_model(model, tmp_path / "m.onnx", external_data=True)
    assert [value.const_value for value in model.graph.initializers.values()] == before


def test_external_weights_of_a_loaded_model_are_taken_in(tmp_path: Path) -> None:
    write_model(make_model(), tmp_path / "m.onnx", external_data=True)
    write_model(ir.load(tmp_path / "m.onnx"), tmp_path / "m.onnx")
    os.unlink(tmp_path / "m.onnx.data")
    assert ir.to_proto(ir.load(tmp_path / "m.onnx")) == ir.to_proto(make_model())


class _FullDisk:
    """Opens files that take a few bytes and then fail."""

    def __init__(self, error: BaseException, room: int) -> None:
        self.error = error
        self.room = room

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        file = builtins.open(*args, **kwargs)  # noqa: SIM115  (closed below)
        outer = self

        class Limited:
            def write(self, data: Any) -> int:
                outer.room -= memoryview(data).nbytes
                if outer.room < 0:
                    raise outer.error
                return file.write(data)

            def tell(self) -> int:
                return file.tell()

            def __enter__(self) -> Limited:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

        return Limited()


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("room", [0, 2000, 5000])
@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OutputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_failed_write_leaves_the_old_files_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    external: bool,
    room: int,
    error: BaseException,
    seen: type[BaseException],
) -> None:
    path = tmp_path / "m.onnx"
    write_model(make_model(), path, external_data=external)
    before = {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}
    monkeypatch.setattr(writing, "open", _FullDisk(error, room), raising=False)
    with pytest.raises(seen):
        write_model(make_model(np.ones(1024, np.float32)), path, external_data=external)
    assert {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)} == before


@pytest.mark.parametrize("existing", [False, True])
def test_failure_between_the_two_renames_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool
) -> None:
    path = tmp_path / "m.onnx"
    if existing:
        write_model(make_model(), path, external_data=True)
    before = {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)}
    replace = os.replace

    def fails_on_the_model(source: str, target: str) -> None:
        if target.endswith("m.onnx"):
            raise OSError(errno.EIO, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails_on_the_model)
    with pytest.raises(OutputError, match="Input/output error"):
        write_model(make_model(np.ones(1024, np.float32)), path, external_data=True)
    assert {name: (tmp_path / name).read_bytes() for name in names_in(tmp_path)} == before


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there is no folder"):
        write_model(make_model(), tmp_path / "nowhere" / "m.onnx")


def test_path_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder"):
        write_model(make_model(), tmp_path)


def test_path_that_is_a_device() -> None:
    with pytest.raises(OutputError, match="not an ordinary file"):
        write_model(make_model(), os.devnull)
    assert not os.path.isfile(os.devnull)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no permission to write"):
        write_model(make_model(), tmp_path / "m.onnx")


def test_link_is_kept_and_its_file_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.onnx").symlink_to(tmp_path / "real" / "m.onnx")
    write_model(make_model(), tmp_path / "link.onnx")
    assert (tmp_path / "link.onnx").is_symlink()
    assert names_in(tmp_path / "real") == ["m.onnx"]


def test_rights_follow_the_umask_or_the_older_file(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    (tmp_path / "other").touch()
    write_model(make_model(), path)
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode
    path.chmod(0o600)
    write_model(make_model(), path)
    assert path.stat().st_mode & 0o777 == 0o600


_PEAK = """
import resource, sys
import numpy as np, onnx_ir as ir
from fxexport.files.model import write_model
weight = np.ones(50_000_000, np.float32)
value = ir.Value(name="w", const_value=ir.Tensor(weight, name="w"))
graph = ir.Graph([], [value], nodes=[], initializers=[value], opset_imports={"": 20})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
write_model(ir.Model(graph, ir_version=10), sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_weights_are_not_copied_in_memory(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _PEAK, str(tmp_path / "m.onnx")],
        capture_output=True,
        text=True,
        check=True,
    )
    weights_in_kib = 200_000_000 // 1024
    assert int(result.stdout) < weights_in_kib // 4
