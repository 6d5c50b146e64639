"""What became of an export, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fxexport.errors import FxExportError, VerificationError, errors_in
from fxexport.report.model import Report

__all__ = ["Verdict", "verdict_of"]


@dataclass(frozen=True)
class Verdict:
    """What became of an export.

    Attributes:
        kind: "good": compared wherever it branches; "unsure": not compared, or not everywhere;
            "bad": refused, or a disagreement.
        text: the same in a sentence.
    """

    kind: Literal["good", "unsure", "bad"]
    text: str


def verdict_of(report: Report | None, error: BaseException | None, name: str = "") -> Verdict:
    """The verdict on a report, a refusal, or both.

    Args:
        report: of the export; None where it was refused.
        error: why it failed; None where it did not.
        name: what the sentence calls the file.
    """
    if error is not None and not isinstance(error, VerificationError):
        if report is not None and report.path:
            return Verdict("bad", f"Exported, but {_message(error)}")
        count = len(errors_in(error))
        what = "1 refusal" if count == 1 else f"{count} refusals"
        return Verdict("bad", f"Nothing was exported: {what}.")
    exported = f"Exported {name}" if name else "Exported"
    verification = None if report is None else report.verification
    if verification is None:
        return Verdict("unsure", f"{exported}; not compared with PyTorch.")
    if not verification.ran:
        why = verification.message.rstrip(".")
        return Verdict("unsure", f"{exported}; not compared with PyTorch because {why}.")
    agreed, cases = sum(case.ok for case in verification.cases), len(verification.cases)
    subject = name or "It"
    if not verification.ok:
        return Verdict("bad", f"{subject} does NOT agree with PyTorch: {agreed} of {cases} do.")
    text = f"{subject} agrees with PyTorch in {agreed} of {cases} comparisons"
    if verification.uncovered:
        left = len(verification.uncovered)
        what = "1 path or trip count was" if left == 1 else f"{left} paths or trip counts were"
        return Verdict("unsure", f"{text}; {what} not reached.")
    return Verdict("good", f"{text}.")


def _message(error: BaseException) -> str:
    return error.message if isinstance(error, FxExportError) else str(error)
