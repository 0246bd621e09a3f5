"""What a report is made of, as plain data.

Owns: the shape in which everything read goes into the rules. Does not own: reading it (`queries.inputs`), writing it down (`report`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from mainstay.domains.assurance.rules import health
from mainstay.domains.assurance.rules.automation import Opportunity
from mainstay.domains.assurance.rules.findings import Change, Known
from mainstay.domains.assurance.rules.infrastructure import Mapped
from mainstay.domains.assurance.rules.matrix import System
from mainstay.domains.assurance.rules.roadmap import Deadline, Money
from mainstay.domains.assurance.rules.system_checks import Around


@dataclass(frozen=True, slots=True)
class Scope:
    """What an audit covers: one device, a site, or a client with everything it has."""

    kind: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Before:
    """The audit of the same scope before this one, as far as this one speaks of it."""

    run: str
    score: int | None
    areas: Mapping[str, int | None]


@dataclass(frozen=True)
class Inputs:
    """Everything a report is made of. `accepted` holds, by check, what failed when somebody took the risk, in whatever scope."""

    run: str
    tenant: str
    scope: Scope
    as_of: datetime
    window_from: datetime
    devices: tuple[Mapped, ...]
    around: Around
    software: str
    is_demo: bool = False
    others: tuple[System, ...] = ()
    known: Mapping[str, Known] = field(default_factory=dict)
    kept_change: Mapping[str, Change] = field(default_factory=dict)
    accepted: Mapping[str, frozenset[str]] = field(default_factory=dict)
    before: Before | None = None
    opportunities: tuple[Opportunity, ...] = ()
    money: Money = field(default_factory=Money)
    deadlines: Mapping[str, Deadline] = field(default_factory=dict)
    waiting: health.Waiting = field(default_factory=health.Waiting)
    witness: str = "W0"
    log: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def today(self) -> date:
        return self.as_of.date()
