"""Whether a text is SARIF, and such as GitHub's code scanning takes."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema

__all__ = ["run_of"]

_SCHEMA = Path(__file__).parents[1] / "data" / "sarif-2.1.0-rtm.5.json"


@functools.cache
def _validator() -> Any:
    schema = json.loads(_SCHEMA.read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def run_of(text: str) -> dict[str, Any]:
    """The only run of a SARIF log, which is valid."""
    data = json.loads(text)
    _validator().validate(data)
    (run,) = data["runs"]
    # What code scanning asks for beyond the schema: texts of rules, a rule and a place in bounds.
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        assert rule["shortDescription"]["text"] and rule["help"]["text"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        for location in result.get("locations", ()):
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            assert not any(one in uri for one in " \\")
    return run  # type: ignore[no-any-return]
