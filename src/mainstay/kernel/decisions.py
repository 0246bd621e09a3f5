"""What a pure rule answers: a verdict, a reason, and the fields to save.

Owns: the shape of a decision. Invariant: there is no decision without a typed reason.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Verdict(Enum):
    YES = "yes"
    NO = "no"


@dataclass(frozen=True)
class Decision(Generic[T]):
    """The answer of a rule. `fields` is present exactly when the verdict is yes and there is something to save."""

    verdict: Verdict
    reason: StrEnum
    fields: T | None = None

    @classmethod
    def yes(cls, reason: StrEnum, fields: T | None = None) -> "Decision[T]":
        return cls(Verdict.YES, reason, fields)

    @classmethod
    def no(cls, reason: StrEnum) -> "Decision[T]":
        return cls(Verdict.NO, reason)

    @property
    def is_yes(self) -> bool:
        return self.verdict is Verdict.YES
