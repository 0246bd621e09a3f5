"""What a domain contributes to Today: what needs a person, and what was fixed without one.

Owns: the shape and the order. Does not own: what needs somebody (each domain answers for its records).
Source: experience page, section 2 rule 6.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

RANKS = {
    "a": "a legal or SLA clock is missed or about to be",
    "b": "people are affected now",
    "c": "it blocks something above",
    "d": "its deadline is less than a day away",
    "e": "a proof failed or is stale",
    "f": "it has waited longest",
}


@dataclass(frozen=True)
class NeedsYou:
    """One row: what, the one next action, and the rule that ranked it. `at` is its deadline, else since when it waits.

    of: the record that the row is about. covers: records for which this row speaks too, so that they need no row of their own.
    act, act_label: the address and the words of the one next action, where a single safe act settles the row; else `url` is where
    it begins.
    """

    rank: str
    title: str
    text: str
    url: str
    label: str
    at: datetime
    tone: str = "warning"
    why: str = ""
    of: UUID | None = None
    covers: frozenset[UUID] = frozenset()
    act: str = ""
    act_label: str = ""

    @property
    def ranked_by(self) -> str:
        return self.why or RANKS[self.rank]

    @property
    def rule(self) -> str:
        """Return the sentence of the rule that ranked the row, whatever the row itself says."""
        return RANKS[self.rank]


@dataclass(frozen=True)
class Handled:
    """One thing that was fixed without you; `url` leads to its trace."""

    title: str
    text: str
    url: str
    at: datetime


@dataclass(frozen=True)
class Change:
    """What changed lately in one place: `count` changes, the newest at `at`."""

    title: str
    text: str
    url: str
    at: datetime
    count: int = 1


def in_order(rows: list[NeedsYou]) -> list[NeedsYou]:
    """Sort by rank, then the nearer deadline, then address, so that the order is the same for everybody."""
    return sorted(rows, key=lambda row: (row.rank, row.at, row.url))
