"""Sizes that satisfy all that is known where the program is."""

from __future__ import annotations

import sympy
import torch

from fxexport import _torch_compat as compat
from fxexport.capture.sizes.some_sizes import some_sizes


def _env(*names: str) -> tuple[compat.SizeEnv, list[sympy.Symbol]]:
    env = compat.SizeEnv(lambda *_: None)
    symbols = [env.create_unbacked_symint().node.expr for _ in names]
    for symbol in symbols:
        env.mark_size(symbol)
    return env, symbols


def test_facts_and_what_they_lead_to_are_satisfied() -> None:
    env, (n, m, k) = _env("n", "m", "k")
    env.guard_or_defer_runtime_assert(sympy.Eq(m, 2 * n), "m is 2 n")
    env.guard_or_defer_runtime_assert(k > 40, "k is large")
    found = some_sizes(env, {n, k}, [n > 2])
    assert found is not None
    assert found[n] > 2
    assert found[k] > 40
    assert env.replace(m).xreplace(found) == 2 * found[n]


def test_none_are_found_where_facts_contradict_each_other() -> None:
    env, (n,) = _env("n")
    assert some_sizes(env, {n}, [n > 3, n < 2]) is None


def test_a_number_that_is_no_int_has_none() -> None:
    env, _ = _env()
    number = env.create_unbacked_symfloat()
    assert isinstance(number, torch.SymFloat)
    assert some_sizes(env, {number.node.expr}) is None
