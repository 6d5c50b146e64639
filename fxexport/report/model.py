"""What a report holds. How it is shown is the business of its neighbours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fxexport.codes.ids import FINDING_CODES, Code
from fxexport.errors import INVISIBLE, FxExportError
from fxexport.report.build import BuildResult
from fxexport.report.sites import Site
from fxexport.source.location import SourceLocation
from fxexport.version import versions

if TYPE_CHECKING:
    from fxexport.graph.paths import Path

__all__ = [
    "Finding",
    "FindingKind",
    "Goal",
    "OutputDifference",
    "Reach",
    "Report",
    "Uncovered",
    "Verification",
    "VerifiedCase",
]

FindingKind = Literal[
    "branch",  # an if kept as a branch
    "loop",  # a loop kept as a loop
    "selected",  # an if whose paths are both computed, and one result selected
    "unused",  # an if or loop that is not in the file: nothing that it computes is needed
    "folded",  # a condition decided at export
    "unrolled",  # a loop written out at export
    "pinned",  # a dimension that the model itself holds at one size
    "relation",  # dimensions that must agree with each other
    "assumption",  # anything else that the file takes for granted
    "state",  # what the model keeps from call to call, made an input and an output
    "constant",  # an argument that became part of the file
    "note",  # worth knowing
]


@dataclass(frozen=True)
class Finding:
    """One thing that was decided at export, with the line it was decided for.

    Attributes:
        kind: what was decided.
        message: the same in a sentence.
        location: the user's line.
        nodes: the names of the ONNX nodes that stand for it, where some do.
        own_code: its code, where it is not that of its kind.
    """

    kind: FindingKind
    message: str
    location: SourceLocation | None = None
    nodes: tuple[str, ...] = ()
    own_code: Code | None = None

    @property
    def code(self) -> Code:
        """What sort of finding it is."""
        return self.own_code or FINDING_CODES[self.kind]

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain JSON data."""
        return {
            "kind": self.kind,
            "code": self.code.value,
            "message": self.message,
            "location": None if self.location is None else self.location.to_dict(),
            "nodes": list(self.nodes),
        }


@dataclass(frozen=True)
class OutputDifference:
    """The worst difference seen on one output over one case.

    Attributes:
        name: output name.
        ok: whether it is within tolerance.
        max_abs: largest absolute difference; 0 for exact agreement.
        max_rel: largest relative difference.
        message: what is wrong, empty when ok.
    """

    name: str
    ok: bool
    max_abs: float = 0.0
    max_rel: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class VerifiedCase:
    """One set of inputs on which the file was compared with PyTorch."""

    label: str
    ok: bool
    outputs: tuple[OutputDifference, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class Uncovered:
    """Something in the control flow that no comparison reached.

    Attributes:
        kind: "branch" or "loop".
        goal: what never happened: "then", "else", "no trip", "one trip", "several trips",
            "any trip".
        location: the line of the branch or loop.
        reason: why it could not be forced either.
    """

    kind: str
    goal: str
    location: SourceLocation | None = None
    reason: str = ""


Reach = Literal[
    "input",  # an input goes there, and the file agrees with PyTorch on it
    "forced",  # decisions of PyTorch and of the file were forced, and both agree
    "graph only",  # forced in the captured graph and in the file alone: both agree
    "not reached",
]


@dataclass(frozen=True)
class Goal:
    """A path of a branch, or a number of iterations of a loop, that is to be compared.

    Attributes:
        kind: "branch" or "loop".
        goal: which path or number; see `Uncovered`.
        location: the line of the branch or loop.
        reached: how it was reached.
        reason: why it was not, or not better.
        path: where the branch or loop is in the graph.
    """

    kind: str
    goal: str
    location: SourceLocation | None = None
    reached: Reach = "not reached"
    reason: str = ""
    path: Path = field(default=(), compare=False)

    @property
    def compared(self) -> bool:
        """Whether file and PyTorch were compared there."""
        return self.reached in ("input", "forced")


@dataclass
class Verification:
    """All comparisons of one file.

    Attributes:
        ran: False when nothing could be compared (then `message` says why).
        cases: one entry per set of inputs.
        message: why nothing ran, or the first disagreement in a sentence.
        location: the user's line where the first disagreement starts, where it could be found.
        uncovered: paths of branches and trip counts of loops that no comparison reached.
        goals: all paths and trip counts, and how each was reached.
        notes: what could not be compared, and why.
        tolerances: those that were asked for, as in "rtol=0.001, atol=1e-05"; empty for the usual
            ones.
    """

    ran: bool
    cases: list[VerifiedCase] = field(default_factory=list)
    message: str = ""
    location: SourceLocation | None = None
    uncovered: list[Uncovered] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tolerances: str = ""

    @property
    def coverage(self) -> float:
        """How much of the control flow was compared with PyTorch, in percent; 100 without any."""
        if not self.goals:
            return 100.0
        return 100.0 * sum(goal.compared for goal in self.goals) / len(self.goals)

    def coverage_text(self) -> str:
        """``555 of 555 (513 by inputs, 42 forced)``; empty where nothing branches."""
        if not self.goals:
            return ""
        counts = {
            reach: sum(goal.reached == reach for goal in self.goals)
            for reach in ("input", "forced", "graph only")
        }
        ways = [f"{counts['input']} by inputs", f"{counts['forced']} forced"]
        if counts["graph only"]:
            ways.append(f"{counts['graph only']} more compared with the graph alone")
        compared = counts["input"] + counts["forced"]
        return f"{compared} of {len(self.goals)} ({', '.join(ways)})"

    @property
    def ok(self) -> bool:
        """True when something was compared and all of it agreed."""
        return self.ran and bool(self.cases) and all(case.ok for case in self.cases)


@dataclass
class Report:
    """Everything worth telling about one export.

    `control_flow` holds the ifs and loops of the file, those in others inside of them. `profiles`
    holds what travels with the file, as `Profile.to_dict` gives it; `no_profile` says why dynamic
    inputs have none. `refusal` is why plain Python was refused where the model was read
    through TorchScript instead. `versions` are those of the packages that have made it. `compares`
    is True of a file that was there before, and was only compared.
    """

    model: str = ""
    target: str = ""
    opset: int = 0
    path: str = ""
    inputs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    control_flow: tuple[Site, ...] = ()
    stages: list[tuple[str, float]] = field(default_factory=list)
    verification: Verification | None = None
    build: BuildResult | None = None
    profiles: list[dict[str, Any]] = field(default_factory=list)
    no_profile: str = ""
    refusal: FxExportError | None = None
    versions: dict[str, str | None] = field(default_factory=versions)
    compares: bool = False

    def add(
        self,
        kind: FindingKind,
        message: str,
        location: SourceLocation | None = None,
        *,
        code: Code | None = None,
    ) -> None:
        """Records a finding once, however often it is met.

        Args:
            kind: what was decided.
            message: the same in a sentence.
            location: the user's line.
            code: where it has another one than its kind.
        """
        self.take([Finding(kind, message.replace(INVISIBLE, ""), location, own_code=code)])

    def take(self, findings: Iterable[Finding]) -> None:
        """Records findings, each once."""
        for finding in findings:
            if finding not in self.findings:
                self.findings.append(finding)

    def of_kind(self, *kinds: FindingKind) -> list[Finding]:
        """The findings of the given kinds, in the order they were made."""
        return [finding for finding in self.findings if finding.kind in kinds]
