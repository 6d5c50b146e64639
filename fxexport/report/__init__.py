"""What an export decided and found, and how that is shown."""

from fxexport.report.json import as_json, json_schema
from fxexport.report.model import (
    Finding,
    FindingKind,
    OutputDifference,
    Report,
    Uncovered,
    Verification,
    VerifiedCase,
)

__all__ = [
    "Finding",
    "FindingKind",
    "OutputDifference",
    "Report",
    "Uncovered",
    "Verification",
    "VerifiedCase",
    "as_json",
    "json_schema",
]
