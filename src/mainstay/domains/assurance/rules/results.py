"""What a check answers about one host.

Owns: the verdicts and their shape (security page, section 5, rule 4).
Invariant: `unknown` and `not_applicable` carry a reason code; a pass says over how many subjects.
"""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """`partial` is a fail of some of the subjects."""

    PASS = "pass"  # noqa: S105  (a verdict, not a password)
    FAIL = "fail"
    PARTIAL = "partial"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class Result:
    """One check on one host.

    `passed` of `total` subjects inside the host are well (accounts, files, listeners; 1 of 1 when the host itself is the subject).
    `failing` names those that are not, sorted. `seen` is one plain sentence. `groups` are the fact groups it rests on.
    """

    check: str
    verdict: Verdict
    seen: str
    groups: tuple[str, ...]
    passed: int = 0
    total: int = 0
    failing: tuple[str, ...] = ()
    reason: str = ""
