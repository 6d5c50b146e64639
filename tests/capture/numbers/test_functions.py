"""Functions of `math`, operators and methods of numbers, on numbers that only the run knows."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
import pytest
import torch

import fxexport
from tests.programs.program import TORCH
from tests.support.capturing import agrees, refused
from tests.support.harness import compare, feed_of, flatten, run_session

Function = Callable[..., Any]

# Numbers at which functions of floats change their form, and where they have no result.
FLOATS = (
    0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.5, -2.5, 3.0, 8.0, 27.0, 64.0, 100.0, 1000.0, 2.0**29, -7.0,
    0.1, 1e-5, 30.5, -30.5, 170.0, 172.0, 711.0, -800.0, 1100.0, 1e200, math.inf, -math.inf,
    math.nan,
)  # fmt: skip
INTS = (0, 1, 2, 3, 4, 5, 7, 8, 12, 20, 21, 48, 63, 64, 1000, -1, -2, -6, -12, 2**31, -(2**40))


def check(function: Function, rows: list[tuple[Any, ...]], dtype: torch.dtype) -> None:
    """What a function of numbers gives, or that it raises, in eager, the graph and the file."""

    def model(*numbers: torch.Tensor) -> Any:
        return function(*(number.item() for number in numbers))

    inputs = [tuple(torch.tensor(value, dtype=dtype) for value in row) for row in rows]
    example = next(row for row in inputs if not isinstance(attempt(model, row), Exception))
    exported = fxexport.export(model, example, verify=False)
    in_file = runner(exported)
    for row in inputs:
        expected = attempt(model, row)
        for name, run in (("graph", exported.graph.run), ("ONNX Runtime", in_file)):
            got = attempt(lambda *row: list(run(*row)), row)  # noqa: B023
            if isinstance(expected, Exception):
                assert isinstance(got, Exception), (name, row, expected, got)
            else:
                assert not isinstance(got, Exception), (name, row, expected, got)
                assert not compare(flatten(expected), got), (name, row, expected, got)


def runner(exported: fxexport.Exported) -> Function:
    """Runs the file on tensors."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    data = exported.model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda *row: run_session(session, exported.graph, feed_of(session, exported.graph, row))


def attempt(function: Function, row: tuple[Any, ...]) -> Any:
    """What a function gives; the exception, where it gives nothing that a file can hold."""
    try:
        result = function(*row)
    except Exception as error:
        return error
    parts = result if isinstance(result, (tuple, list)) else [result]
    for part in parts:
        if isinstance(part, complex) or (isinstance(part, int) and abs(part) >= 2**63):
            return OverflowError("no float, and no int of 64 bits")
    return type(parts)(map(plain, parts))


def plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


ONE_FLOAT = [
    "sqrt",
    "exp",
    "log",
    "log2",
    "log10",
    "log1p",
    "exp2",
    "expm1",
    "cbrt",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "erf",
    "erfc",
    "gamma",
    "lgamma",
    "degrees",
    "radians",
    "fabs",
    "ulp",
    "floor",
    "ceil",
    "trunc",
    "isnan",
    "isinf",
    "isfinite",
    "modf",
    "frexp",
]


@pytest.mark.parametrize("name", ONE_FLOAT)
def test_a_function_of_one_float(name: str) -> None:
    check(getattr(math, name), [(value,) for value in FLOATS], torch.float64)


@pytest.mark.parametrize(
    "name", ["atan2", "copysign", "fmod", "remainder", "hypot", "pow", "isclose", "nextafter"]
)
def test_a_function_of_two_floats(name: str) -> None:
    values = (0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 3.0, 7.5, 1e200, math.inf, -math.inf, math.nan)
    check(getattr(math, name), [(a, b) for a in values for b in values], torch.float64)


@pytest.mark.parametrize("name", ["isqrt", "factorial"])
def test_a_function_of_one_int(name: str) -> None:
    values = [n for n in INTS if abs(n) <= 20 or (name == "isqrt" and n < 2**32)]
    check(getattr(math, name), [(n,) for n in values], torch.int64)


@pytest.mark.parametrize("name", ["gcd", "lcm", "comb", "perm"])
def test_a_function_of_two_ints(name: str) -> None:
    values = (0, 1, 2, 3, 6, 10, 15, -4)
    check(getattr(math, name), [(a, b) for a in values for b in values], torch.int64)


def test_a_result_of_more_than_64_bits_is_no_result() -> None:
    for function, row in ((math.factorial, (21,)), (math.comb, (100, 50)), (math.perm, (40, 20))):
        small = tuple(torch.tensor(n) for n in (4, 2)[: len(row)])
        model = with_items(function)
        exported = fxexport.export(model, small, verify=False)
        large = tuple(map(torch.tensor, row))
        assert isinstance(attempt(runner(exported), large), Exception)


def with_items(function: Function) -> Function:
    return lambda *numbers: function(*(number.item() for number in numbers))


TWO_FLOATS: dict[str, Function] = {
    "logarithm to a base": lambda a, b: math.log(a, b),
    "power": lambda a, b: a**b,
    "square root": lambda a, b: a**0.5,
    "reciprocal": lambda a, b: a**-1,
    "divmod": lambda a, b: divmod(a, b),
    "distance": lambda a, b: math.dist([a, 1.0], [b, 2.0]),
    "is_integer": lambda a, b: (a.is_integer(), b.real, a.imag, a.conjugate()),
    "plus": lambda a, b: (+a, operator.pos(b), operator.truth(a)),
}  # fmt: skip


@pytest.mark.parametrize("name", TWO_FLOATS)
def test_an_expression_of_two_floats(name: str) -> None:
    values = (0.0, 1.0, -1.0, 2.0, 2.5, -2.5, 3.0)
    check(TWO_FLOATS[name], [(a, b) for a in values for b in values], torch.float64)


@pytest.mark.parametrize("digits", [0, 1, 2, 5, 15, -1, -2])
def test_rounding_to_digits_rounds_the_number_and_not_a_product(digits: int) -> None:
    values = [
        2.675, 0.5, 1.5, 2.5, 0.125, 0.375, 1.005, 1.015, -1.005, -2.675, 5e-324, 0.05, 0.15, 0.25,
        0.35, 15.0, 25.0, 35.0, 250.0, 350.0, 149.99999999999997, 4503599627370497.5, 123456.789012,
        -0.001, 1e22, math.inf, -math.inf, math.nan, 8.675, 1234567.8901234567, 9007199254740993.0,
    ]  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    values += (torch.rand(200, generator=generator, dtype=torch.float64) * 100).tolist()
    values += [k / 8 + k / 1000 for k in range(100)]
    exactly(lambda x: round(x, digits), values)


def exactly(function: Function, values: list[float]) -> None:
    """A function of a float gives exactly the same in eager, the graph and the file."""
    exported = fxexport.export(with_items(function), (torch.tensor(1.0).double(),), verify=False)
    in_file = runner(exported)
    for value in values:
        row = (torch.tensor(value, dtype=torch.float64),)
        wanted = np.float64(function(value))
        for run in (exported.graph.run, in_file):
            got = np.float64(next(iter(run(*row))))
            # ONNX Runtime's Where gives 0.0 for -0.0.
            same = got == wanted or (wanted != wanted and got != got)
            assert same, (value, wanted, got)


def test_rounding_to_a_dynamic_number_of_digits() -> None:
    rows = [(x, n) for x in (2.675, -1234.5678, 1250.0, math.nan) for n in (0, 1, 2, 3, -1, -2, -5)]

    def model(x: torch.Tensor, n: torch.Tensor) -> Any:
        return round(x.item(), int(n))

    agrees(model, [(torch.tensor(x).double(), torch.tensor(n)) for x, n in rows])


@pytest.mark.parametrize("digits", [1, 0, -1, -2, -3])
def test_rounding_an_int(digits: int) -> None:
    values = [*INTS, 15, 25, 35, 45, 149, 150, 151, 250, -15, -25, -150, -250, 500, 1500, 2500]
    check(lambda n: round(n, digits), [(n,) for n in values], torch.int64)


BITS: dict[str, Function] = {
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "not": lambda a, b: (~a, operator.invert(b), operator.inv(a)),
    "of a truth": lambda a, b: (~(a > b), (a > b) ^ (b > 3), (a > b) & (b > 3), (a & 1) | (b > 3)),
    "in place": lambda a, b: operator.iand(a, b) + operator.ixor(a, b) - operator.ior(a, 3),
    "with a constant": lambda a, b: (a & 6, b | 8, a ^ 5, a & (a - 1), a & -a),
    "bit_length": lambda a, b: (a.bit_length(), abs(b).bit_count()),
    "methods": lambda a, b: (a.real, b.imag, a.numerator, b.denominator, a.conjugate()),
    "as a ratio": lambda a, b: (*a.as_integer_ratio(), operator.index(b)),
    "functions": lambda a, b: (operator.and_(a, 3), operator.or_(a, b), operator.xor(b, 1)),
    "divmod": lambda a, b: divmod(a, b),
    "arithmetic": lambda a, b: operator.sub(operator.mul(a, b), operator.add(a, 2)),
    "order": lambda a, b: (operator.lt(a, b), operator.ge(a, b), operator.eq(a, b)),
}


@pytest.mark.parametrize("name", BITS)
def test_bits_of_ints(name: str) -> None:
    values = (0, 1, 2, 3, 5, 8, 64, 1023, -1, -2, -7, 2**31)
    check(BITS[name], [(a, b) for a in values for b in values], torch.int64)


# Before 2.13 PyTorch shifts by no symbolic number, before 2.14 it has no combinations of one.
newer = pytest.mark.skipif(TORCH < (2, 13), reason="PyTorch cannot before 2.13")
newest = pytest.mark.skipif(TORCH < (2, 14), reason="PyTorch cannot before 2.14")


@newer
@pytest.mark.parametrize("shift", [operator.lshift, operator.rshift], ids=lambda f: f.__name__)
def test_shifts(shift: Function) -> None:
    rows = [(a, b) for a in (0, 1, 3, 100, -1, -100) for b in (0, 1, 2, 7, 20, -1, -3)]
    check(shift, rows, torch.int64)
    check(lambda a, b: shift(5, b) + shift(a, 2), rows, torch.int64)


def test_a_power_with_a_modulus() -> None:
    rows = [(a, b) for a in (0, 1, 2, 7, -3) for b in (0, 1, 2, 5, 30)]
    check(lambda a, b: pow(a, b, 1000), rows, torch.int64)
    check(lambda a, b: pow(3, abs(b) + 1, abs(a) + 1), rows, torch.int64)


def sizes(*lengths: int) -> list[tuple[torch.Tensor]]:
    return [(torch.arange(float(length)) - 1,) for length in lengths]


OF_SIZES: dict[str, Function] = {
    "next power of two": lambda x, n: x.new_zeros(2 ** math.ceil(math.log2(n))),
    "next power of two, shifted": lambda x, n: x.new_zeros(1 << (n - 1).bit_length()),
    "digits": lambda x, n: x.new_zeros(int(math.log10(n)) + 1),
    "padding": lambda x, n: torch.nn.functional.pad(x, (0, -n & 7)),
    "is a power of two": lambda x, n: x + 1 if n & (n - 1) == 0 else x - 1,
    "levels": lambda x, n: sum(x.sum() * k for k in range(n.bit_length())),
    "root": lambda x, n: x[: math.isqrt(n) ** 2].reshape(math.isqrt(n), -1),
    "pairs": lambda x, n: torch.combinations(torch.arange(n)).shape[0] - math.comb(n, 2),
    "common divisor": lambda x, n: x.new_zeros(math.gcd(n, 12)),
    "power below one": lambda x, n: x * 2**-n,
    "of itself": lambda x, n: x * n**n,
    "slope": lambda x, n: x * 2 ** (-(2 ** -(math.log2(n) - 3))),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks={"next power of two, shifted": newer, "pairs": newest}.get(name, [])
        )
        for name in OF_SIZES
    ],
)
def test_numbers_made_of_sizes(name: str) -> None:
    expression = OF_SIZES[name]
    inputs = sizes(3, 1, 2, 4, 7, 8, 9, 10) if name != "root" else sizes(4, 1, 9)
    agrees(lambda x: expression(x, x.shape[0]), inputs)


def test_a_logarithm_is_whole_at_every_power_of_its_base() -> None:
    powers = [2.0**k for k in range(-60, 61)]
    exactly(math.log2, powers)
    exactly(math.log10, [float(f"1e{k}") for k in range(-20, 21)])


class Mode(IntEnum):
    A = 1
    B = 2
    C = 3


class Flag(IntFlag):
    X = 1
    Y = 2


ENUMS: dict[str, Function] = {
    "arithmetic": lambda n: (Mode.B + n, Mode.A - n, n * Mode.C, n // Mode.B, n % Mode.C, -Mode.A),
    "compared": lambda n: (n == Mode.C, n != Mode.B, n < Mode.B, n >= Mode.B, Mode.A < n < Mode.C),
    "chosen": lambda n: 5 if n == Mode.A else 6 if n == Mode.B else 7,
    "bits": lambda n: (n & Flag.Y, Flag.X | n, n ^ Mode.C),
    "numpy": lambda n: (n + np.int64(3), n * np.float64(0.5), n > np.int32(2)),
}


@pytest.mark.parametrize("name", ENUMS)
def test_numbers_of_a_class_of_their_own(name: str) -> None:
    check(ENUMS[name], [(n,) for n in (1, 2, 3, 4, 0)], torch.int64)


def test_numbers_in_text_that_is_known() -> None:
    def model(x: torch.Tensor) -> Any:
        a, b = map(int, ["2", "3"])
        return x * a + b * x.shape[0] + int("ff", 16) + float(" 2.5 ") + int(b"7")

    agrees(model, sizes(3, 1, 4))


@pytest.mark.parametrize(
    "function", [math.fsum, lambda values: sum(map(complex, values)).real], ids=["fsum", "complex"]
)
def test_what_has_no_exact_form_is_refused(function: Function) -> None:
    refused(lambda x: x + function([x.sum().item(), 0.1]), [(torch.ones(3),)])


def test_an_error_of_a_function_names_the_users_line() -> None:
    exported = fxexport.export(with_items(math.acosh), (torch.tensor(2.0),), verify=False)
    (found,) = exported.report.of_kind("assumption")
    assert found.location is not None and found.location.file == __file__


def scripted_functions(x: torch.Tensor) -> Any:
    f, n = float(x.sum()), x.size(0)
    one = math.erf(f) + math.asinh(f) + math.gamma(f) + math.degrees(f) + math.expm1(f)
    two = math.log10(f) + math.lgamma(n) + math.log1p(n) + math.cosh(n) + math.erfc(f)
    three = math.fmod(f, 2.0) + math.copysign(f, -1.0) + math.atan2(f, float(n)) + math.ldexp(f, n)
    ints = math.gcd(n, 6), math.factorial(n), n << n, 64 >> n, n & 3, n ^ 5, n | 8
    return x + one, two, three, ints, math.modf(f)[0], math.frexp(f)[1]


def scripted_functions_outside(x: torch.Tensor) -> Any:
    f = float(x.sum()) - 5.0  # C gives NaN and infinity where Python raises
    return x + math.log10(f), math.acos(f), math.cosh(f * 1000.0), math.log1p(f - 1.0)


@pytest.mark.parametrize(
    "function", [pytest.param(scripted_functions, marks=newer), scripted_functions_outside]
)
def test_functions_in_torchscript(function: Function) -> None:
    values = [(1.5, 2.0, 3.0), (0.5,), (2.0, 1.0, 0.25, 4.0), (5.0,)]
    agrees(torch.jit.script(function), [(torch.tensor(row),) for row in values])
