"""A part of the audit of PyTorch's own list of operators, and all of it in the weekly set."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.operator_outcomes import FORMS, outcome_of
from tests.support.operator_samples import DTYPES, calls_of, operators

pytest.importorskip("numpy")


def _audit() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "operator_audit.py"
    spec = importlib.util.spec_from_file_location("operator_audit", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


AUDIT = _audit()
EVERY = AUDIT.chosen_operators("", list(DTYPES), "1/1")
# What is known not to hold is in docs/operators.md by name, and not chosen here.
KNOWN = AUDIT.known_faults()
SAMPLE = [
    (operator, dtype)
    for operator, dtype in random.Random(0).sample(EVERY, 60)
    if (AUDIT.name_of(operator), dtype) not in KNOWN
][:40]


@pytest.mark.parametrize(("operator", "dtype"), SAMPLE, ids=lambda v: getattr(v, "name", v))
def test_a_sample_of_operators_gives_pytorchs_values_or_is_refused(
    operator: Any, dtype: str
) -> None:
    for call in calls_of(operator, DTYPES[dtype], 1):
        for form in FORMS:
            outcome = outcome_of(call, form, undefined="empty" in operator.name)
            assert outcome.kind in ("right", "refused"), f"{form} {call}: {outcome.details}"


@pytest.mark.slow
def test_no_operator_is_wrong_but_those_that_are_listed() -> None:
    rows = list(AUDIT.audit(EVERY, samples=3, limit=60))
    bad = {key for key, row in AUDIT.verdicts(rows).items() if row["kind"] in AUDIT.BAD}
    assert bad <= KNOWN


def test_the_list_of_operators_is_that_of_pytorch() -> None:
    assert len(operators()) > 500
