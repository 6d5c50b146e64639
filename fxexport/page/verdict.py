"""What became of an export, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from fxexport.errors import FxExportError, VerificationError, errors_in
from fxexport.report.model import Report

__all__ = ["Verdict", "verdict_of"]


@dataclass(frozen=True)
class Verdict:
    """What became of an export.

    Attributes:
        kind: "good", "unsure" or "bad".
        text: the same in a sentence.
    """

    kind: str
    text: str


def verdict_of(report: Report | None, error: BaseException | None) -> Verdict:
    """The verdict on a report, a refusal, or both."""
    if error is not None and not isinstance(error, VerificationError):
        if report is not None and report.path:
            return Verdict("bad", f"Exported, but {_message(error)}")
        count = len(errors_in(error))
        what = "1 refusal" if count == 1 else f"{count} refusals"
        return Verdict("bad", f"Nothing was exported: {what}.")
    verification = None if report is None else report.verification
    if verification is None:
        return Verdict("unsure", "Exported; not compared with PyTorch.")
    if not verification.ran:
        why = verification.message.rstrip(".")
        return Verdict("unsure", f"Exported; not compared with PyTorch because {why}.")
    agreed, cases = sum(case.ok for case in verification.cases), len(verification.cases)
    if not verification.ok:
        return Verdict("bad", f"It does NOT agree with PyTorch: {agreed} of {cases} do.")
    if verification.uncovered:
        left = len(verification.uncovered)
        what = "1 path or trip count was" if left == 1 else f"{left} paths or trip counts were"
        return Verdict(
            "unsure", f"It agrees with PyTorch on {cases} of {cases} inputs; {what} not reached."
        )
    return Verdict("good", f"It agrees with PyTorch on {cases} of {cases} inputs.")


def _message(error: BaseException) -> str:
    return error.message if isinstance(error, FxExportError) else str(error)
