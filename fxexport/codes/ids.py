"""The code of every kind of refusal and finding.

A code keeps its number and its meaning; new ones are added behind those of their hundred.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["FINDING_CODES", "Code"]


class Code(StrEnum):
    """A kind of refusal or finding; the value is what people see."""

    # Findings: what was decided at export
    BRANCH_KEPT = "FX001"
    LOOP_KEPT = "FX002"
    BOTH_PATHS_COMPUTED = "FX003"
    NOT_NEEDED = "FX004"
    DECIDED = "FX005"
    WRITTEN_OUT = "FX006"
    PINNED = "FX007"
    RELATION = "FX008"
    ASSUMPTION = "FX009"
    STATE_KEPT = "FX010"
    CONSTANT = "FX011"
    NOTE = "FX012"
    RESULT_LEFT_OUT = "FX013"
    NEW_WEIGHTS = "FX014"

    # Values that Python needs
    UNSUPPORTED = "FX100"
    VALUE_NEEDED = "FX101"
    DECISION_IN_UNREAD_CODE = "FX102"
    ONE_OF_SEVERAL = "FX103"
    DIFFERENT_KINDS = "FX104"
    NOT_SET = "FX105"
    UNKNOWN_KEYS = "FX106"
    TEXT = "FX107"

    # Control flow
    RECURSION = "FX201"
    TOO_MANY_NESTED = "FX202"
    ENDLESS = "FX203"
    EXCEPTION = "FX204"
    USED_ITERATOR = "FX205"
    LOOP_DOES_NOT_SETTLE = "FX206"
    ALWAYS_RAISES = "FX207"
    INSIDE_TRANSFORM = "FX208"

    # Lists
    OPEN_LIST = "FX301"
    ITEMS_DIFFER = "FX302"
    ITEM_CHANGES = "FX303"
    ITEM_AT_OPEN_INDEX = "FX304"
    CHANGED_WHILE_READ = "FX305"

    # Memory
    MEMORY = "FX401"
    OTHER_NAME = "FX402"
    INNER_VALUE = "FX403"

    # Sizes
    NAMED_SIZE_IS_FIXED = "FX501"
    RANGE_BROKEN = "FX502"
    SIZE_DECIDES = "FX503"
    OPEN_RANK = "FX504"

    # Operators
    NO_ONNX_FORM = "FX601"
    DTYPE = "FX602"
    COMPLEX = "FX603"
    COMPILED_CODE = "FX604"
    TORCHSCRIPT = "FX605"
    RANDOM_AT_EXPORT = "FX606"

    # State and results
    STATE = "FX701"
    RESULT = "FX702"

    # Targets
    TARGET_REFUSES = "FX801"
    NOT_BUILT = "FX802"
    RUNTIME_FAILS = "FX803"

    # The call, the model, the check
    USAGE = "FX901"
    MODEL_RAISES = "FX902"
    NOT_WRITTEN = "FX903"
    DISAGREES = "FX904"
    OUTSIDE_CONTRACT = "FX905"
    TOO_LITTLE_COMPARED = "FX906"


FINDING_CODES = {
    "branch": Code.BRANCH_KEPT,
    "loop": Code.LOOP_KEPT,
    "selected": Code.BOTH_PATHS_COMPUTED,
    "unused": Code.NOT_NEEDED,
    "folded": Code.DECIDED,
    "unrolled": Code.WRITTEN_OUT,
    "pinned": Code.PINNED,
    "relation": Code.RELATION,
    "assumption": Code.ASSUMPTION,
    "state": Code.STATE_KEPT,
    "constant": Code.CONSTANT,
    "note": Code.NOTE,
}
"""The code of each kind of finding in a report."""
