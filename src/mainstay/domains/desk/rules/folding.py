"""A ticket's own columns, from its events.

Owns: status, owner, priority, queue and what a resolution said, as a fold. Does not own: clocks (sla).
Invariant: the services that write events and the repair command use this same fold, so a cache cannot disagree.
Source: help desk page, introduction: a ticket's events are the truth.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from mainstay.domains.desk.rules.policy import WaitingReason
from mainstay.domains.desk.rules.tickets import DONE, GRACE, LIVE, Status
from mainstay.kernel.json import Json


class Did(StrEnum):
    """The types of events of a ticket."""

    CREATED = "created"
    STATUS = "status"
    ASSIGNED = "assigned"
    MESSAGE = "message"
    PRIORITY = "priority"
    POLICY = "policy"
    ALERT = "alert"
    RECOVERED = "recovered"
    AUTOMATION = "automation"
    RELEASED = "released"
    HANDED_OVER = "handed_over"
    RESOLUTION = "resolution"


@dataclass(frozen=True)
class Happened:
    """One event as the fold sees it. actor: the reference of who did it; a person's begins with `p:`."""

    seq: int
    at: datetime
    type: str
    actor: str
    data: Mapping[str, Json]


@dataclass(frozen=True)
class Facts:
    """The columns of a ticket that its events determine. An empty string means: none."""

    title: str = ""
    status: Status = Status.NEW
    waiting_for: str = ""
    resume_at: datetime | None = None
    impact: int = 3
    urgency: int = 3
    priority: int = 5
    priority_reason: str = ""
    queue: str = ""
    owner: str = ""
    is_touched: bool = False
    resolution_code: str = ""
    cause_code: str = ""
    started_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def wakes_at(self) -> datetime | None:
        """Return when time alone changes the status: scheduled work goes on, what is resolved closes after its grace."""
        if self.status is Status.WAITING:
            return self.resume_at
        return self.resolved_at + GRACE if self.status is Status.RESOLVED and self.resolved_at else None

    @property
    def waiting_reason(self) -> WaitingReason | None:
        return WaitingReason(self.waiting_for) if self.waiting_for else None


def fold(events: Iterable[Happened], facts: Facts | None = None) -> Facts:
    """Return the columns after events, taken in the order of their numbers."""
    facts = facts or Facts()
    for event in sorted(events, key=lambda event: event.seq):
        facts = _apply(facts, event)
    return facts


def _apply(facts: Facts, event: Happened) -> Facts:
    touched = replace(facts, is_touched=True) if event.actor.startswith("p:") else facts
    step = _STEPS.get(event.type)
    return touched if step is None else step(touched, event)


def _created(facts: Facts, event: Happened) -> Facts:
    data = event.data
    return replace(
        facts,
        title=_text(data, "title"),
        impact=_number(data, "impact", 3),
        urgency=_number(data, "urgency", 3),
        priority=_number(data, "priority", 5),
        queue=_text(data, "queue"),
        started_at=event.at,
    )


def _status(facts: Facts, event: Happened) -> Facts:
    category, _, reason = _text(event.data, "to").partition(":")
    status = Status(category)
    resume_at = _text(event.data, "resume_at")
    facts = replace(facts, status=status, waiting_for=reason, resume_at=datetime.fromisoformat(resume_at) if resume_at else None)
    if status is Status.RESOLVED:
        return _resolution(replace(facts, resolved_at=event.at), event)
    if status is Status.CLOSED:
        return replace(facts, closed_at=event.at, resolved_at=facts.resolved_at or event.at)
    if status in LIVE:
        return replace(facts, resolved_at=None, closed_at=None, resolution_code="", cause_code="")
    return facts


def _resolution(facts: Facts, event: Happened) -> Facts:
    return replace(facts, resolution_code=_text(event.data, "resolution"), cause_code=_text(event.data, "cause"))


def _assigned(facts: Facts, event: Happened) -> Facts:
    status = Status.OPEN if facts.status is Status.NEW and event.data.get("owner") else facts.status
    return replace(facts, owner=_text(event.data, "owner"), status=status)


def _message(facts: Facts, event: Happened) -> Facts:
    is_answer = event.data.get("side") == "client" and event.data.get("class") != "hard"
    if is_answer and facts.waiting_for == WaitingReason.CUSTOMER and facts.status not in DONE:
        return replace(facts, status=Status.OPEN, waiting_for="", resume_at=None)
    return facts


def _priority(facts: Facts, event: Happened) -> Facts:
    return replace(facts, priority=_number(event.data, "priority", facts.priority), priority_reason=_text(event.data, "reason"))


def _handed_over(facts: Facts, event: Happened) -> Facts:
    return replace(facts, queue=_text(event.data, "queue") or facts.queue)


_STEPS: Mapping[str, Callable[[Facts, Happened], Facts]] = {
    Did.CREATED: _created,
    Did.STATUS: _status,
    Did.ASSIGNED: _assigned,
    Did.MESSAGE: _message,
    Did.PRIORITY: _priority,
    Did.HANDED_OVER: _handed_over,
    Did.RESOLUTION: _resolution,
}


def _text(data: Mapping[str, Json], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _number(data: Mapping[str, Json], name: str, default: int) -> int:
    value = data.get(name)
    return value if isinstance(value, int) else default
