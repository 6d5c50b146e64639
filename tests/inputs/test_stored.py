"""Inputs in files: what is read, and what is refused in the user's terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from fxexport.errors import UsageError
from fxexport.inputs import parse_input_option, prepare_inputs, read_inputs
from fxexport.inputs.stored import read_tensor

X, N = torch.arange(6.0).reshape(2, 3), 2


def call(x: torch.Tensor, n: int = 1, flag: bool = False) -> torch.Tensor:
    return x * n if flag else x


def prepared() -> Any:
    return prepare_inputs(call, (X, N), None, {"x": {0: "rows"}, "n": True})


def pair(x: torch.Tensor, boxes: list[torch.Tensor]) -> torch.Tensor:
    return x + boxes[0]


@pytest.mark.parametrize("ending", [".npy", ".npz", ".pt"])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "float16", "uint8", ">f4"])
def test_one_tensor(tmp_path: Path, ending: str, dtype: str) -> None:
    array = numpy.arange(6).reshape(2, 3).T.astype(dtype)
    path = str(tmp_path / f"x{ending}")
    if ending == ".npy":
        numpy.save(path, array)
    elif ending == ".npz":
        numpy.savez(path, whatever=array)
    else:
        torch.save(torch.from_numpy(array.astype(array.dtype.newbyteorder("="))), path)
    name, found = parse_input_option(f"x=@{path}")
    assert name == "x"
    assert isinstance(found, torch.Tensor)
    assert found.shape == (3, 2)
    assert found.numpy().tolist() == array.tolist()


def test_arrays_by_the_names_of_inputs(tmp_path: Path) -> None:
    path = str(tmp_path / "case.npz")
    numpy.savez(path, x=numpy.ones((5, 3), "float32"), n=numpy.int64(4))
    x, n = prepared().flatten(read_inputs(path))
    assert x.shape == (5, 3)
    assert n == 4
    assert type(n) is int


def test_a_whole_call(tmp_path: Path) -> None:
    path = str(tmp_path / "case.pt")
    for held in [(X + 1, 5), [X + 1, 5], {"x": X + 1, "n": 5}]:
        torch.save(held, path)
        x, n = prepared().flatten(read_inputs(path))
        assert torch.equal(x, X + 1)
        assert n == 5
    numpy.save(tmp_path / "x.npy", X.numpy())
    one = prepare_inputs(torch.relu, (X,), None, False)
    (x,) = one.flatten(read_inputs(str(tmp_path / "x.npy")))
    assert torch.equal(x, X)


@pytest.mark.parametrize("sequences", [(), ("boxes",)])
def test_lists_by_the_numbers_of_their_items(tmp_path: Path, sequences: tuple[str, ...]) -> None:
    found = prepare_inputs(pair, (X, [X, X + 1]), None, False, sequences=sequences)
    path = str(tmp_path / "case.npz")
    names = ["boxes.0", "boxes.1"] if sequences else [spec.name for spec in found.specs[1:]]
    numpy.savez(path, x=X.numpy(), **dict.fromkeys(names, X.numpy()))
    flat = found.flatten(read_inputs(path))
    assert len(flat) == len(found.specs)
    items = flat[1] if sequences else flat[1:]
    assert all(torch.equal(item, X) for item in items)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": X}, "holds no input 'n'; it holds x"),
        ({"x": X, "n": N, "z": X}, "holds 'z', which is no input; the inputs are x, n"),
        ({"x": X.double(), "n": N}, "'x': expected dtype float32, got float64"),
        ({"x": X[0], "n": N}, "'x': expected 2 dimensions, got 1"),
        ({"x": torch.ones(2, 4), "n": N}, "'x': expected size 3 on axis 1, got 4"),
        ({"x": X, "n": 2.5}, "'n': expected a Python int, got float 2.5"),
        ({"x": X, "n": [2]}, "'n': expected a Python int, got a tensor"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    path = str(tmp_path / "case.npz")
    numpy.savez(path, **{name: numpy.asarray(value) for name, value in arrays.items()})
    with pytest.raises(UsageError) as caught:
        prepared().flatten(read_inputs(path))
    assert said in caught.value.message


def write_objects(path: Path) -> None:
    numpy.save(path, numpy.array([{}], dtype=object), allow_pickle=True)


def write_text(path: Path) -> None:
    numpy.save(path, numpy.array(["a"]))


def write_no_tensor(path: Path) -> None:
    torch.save("text", path)


def write_a_function(path: Path) -> None:
    torch.save(print, path)


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("x.npy", None, "there is no file"),
        ("x.txt", lambda path: path.write_text("1"), "is no file of inputs"),
        ("x.npy", lambda path: path.write_text("1, 2"), "cannot be read"),
        ("x.npz", lambda path: path.write_bytes(b"PK nothing"), "cannot be read"),
        ("x.npy", write_objects, "cannot be read"),
        ("x.npy", write_text, "is of dtype <U1, which no input has"),
        ("x.pt", write_a_function, "cannot be read"),
        ("x.pt", write_no_tensor, "holds a str, not inputs"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, write: Any, said: str) -> None:
    path = tmp_path / name
    if write is not None:
        write(path)
    with pytest.raises(UsageError) as caught:
        read_inputs(str(path))
    assert said in caught.value.message
    assert str(path) in caught.value.message


def test_one_tensor_is_not_several(tmp_path: Path) -> None:
    path = str(tmp_path / "x.npz")
    numpy.savez(path, a=X.numpy(), b=X.numpy())
    with pytest.raises(UsageError, match="expected one tensor, it holds a, b"):
        read_tensor(path)
    with pytest.raises(UsageError, match=r"--input 'x=@.*expected one tensor"):
        parse_input_option(f"x=@{path}")
