"""What may happen to a ticket, and why not.

Owns: status categories, transitions, what a resolution needs, when a recurrence reopens.
Does not own: names that a tenant gives to statuses. Source: help desk page, section 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mainstay.domains.desk.rules.policy import WaitingReason
from mainstay.kernel.decisions import Decision

GRACE = timedelta(days=7)
RECURRENCE_REOPENS = timedelta(hours=24)
FIRST_QUEUE = "first-line"
PERSON_QUEUE = "needs-a-person"


class Kind(StrEnum):
    INCIDENT = "incident"
    REQUEST = "request"
    PROBLEM = "problem"
    CHANGE = "change"


class Status(StrEnum):
    """The fixed categories; a tenant's own names map to them."""

    NEW = "new"
    OPEN = "open"
    WAITING = "waiting"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    MERGED = "merged"


class Source(StrEnum):
    MAIL = "mail"
    PORTAL = "portal"
    API = "api"
    ALERT = "alert"
    PHONE = "phone"
    IMPORT = "import"
    AGENT = "agent"


class Visibility(StrEnum):
    PUBLIC = "public"
    CO_MANAGED = "co_managed"
    INTERNAL = "internal"


class ResolutionCode(StrEnum):
    FIXED = "fixed"
    WORKAROUND = "workaround"
    RECOVERED = "recovered"
    HEALED = "healed"
    NOT_REPRODUCIBLE = "not_reproducible"
    DUPLICATE = "duplicate"
    DECLINED = "declined"


class CauseCode(StrEnum):
    UNKNOWN = "unknown"
    SOFTWARE = "software"
    HARDWARE = "hardware"
    CONFIGURATION = "configuration"
    CAPACITY = "capacity"
    NETWORK = "network"
    VENDOR = "vendor"
    PEOPLE = "people"
    SECURITY = "security"


LIVE = frozenset({Status.NEW, Status.OPEN, Status.WAITING})
DONE = frozenset({Status.RESOLVED, Status.CLOSED})
_FROM_LIVE = frozenset({Status.OPEN, Status.WAITING, Status.RESOLVED, Status.CANCELLED, Status.MERGED})
_NEXT: Mapping[Status, frozenset[Status]] = {
    Status.NEW: _FROM_LIVE,
    Status.OPEN: _FROM_LIVE,
    Status.WAITING: _FROM_LIVE,
    Status.RESOLVED: frozenset({Status.OPEN, Status.CLOSED}),
    Status.CLOSED: frozenset({Status.OPEN}),
    Status.CANCELLED: frozenset({Status.OPEN}),
    Status.MERGED: frozenset(),
}


class MoveReason(StrEnum):
    ALLOWED = "allowed"
    NOT_FROM_HERE = "not_from_here"
    UNCHANGED = "unchanged"
    WAITING_FOR_WHOM = "waiting_for_whom"
    RESUME_TIME_MISSING = "resume_time_missing"
    RESUME_TIME_PAST = "resume_time_past"
    REASON_MISSING = "reason_missing"


@dataclass(frozen=True)
class Move:
    """A wished change of status. `reason` is a sentence, needed to bring back what was closed or cancelled."""

    to: Status
    waiting_for: WaitingReason | None = None
    resume_at: datetime | None = None
    reason: str = ""


def move(status: Status, waiting_for: WaitingReason | None, wish: Move, *, now: datetime) -> Decision[Move]:
    """Decide about a change of status."""
    if (wish.to, wish.waiting_for) == (status, waiting_for):
        return Decision.no(MoveReason.UNCHANGED)
    if wish.to not in _NEXT[status]:
        return Decision.no(MoveReason.NOT_FROM_HERE)
    if (wish.to is Status.WAITING) is (wish.waiting_for is None):
        return Decision.no(MoveReason.WAITING_FOR_WHOM)
    if wish.waiting_for is WaitingReason.SCHEDULED and wish.resume_at is None:
        return Decision.no(MoveReason.RESUME_TIME_MISSING)
    if wish.resume_at is not None and wish.resume_at <= now:
        return Decision.no(MoveReason.RESUME_TIME_PAST)
    if status in (Status.CLOSED, Status.CANCELLED) and not wish.reason.strip():
        return Decision.no(MoveReason.REASON_MISSING)
    return Decision.yes(MoveReason.ALLOWED, wish)


class RecoveryReason(StrEnum):
    """What the recovery of an alert does to its incident (section 3, rule 13)."""

    NOBODY_TOUCHED_IT = "nobody_touched_it"
    SOMEBODY_IS_ON_IT = "somebody_is_on_it"
    OTHER_ALERT_FIRES = "other_alert_fires"
    AUTOMATION_IS_ON_IT = "automation_is_on_it"
    ALREADY_DONE = "already_done"


def recovery(status: Status, *, is_touched: bool, firing_alerts: int, is_held: bool = False) -> Decision[None]:
    """Decide whether a recovery resolves an incident by itself.

    firing_alerts: those of the incident that still fire. is_held: a run is at work and has the last word.
    """
    if status not in LIVE:
        return Decision.no(RecoveryReason.ALREADY_DONE)
    if firing_alerts > 0:
        return Decision.no(RecoveryReason.OTHER_ALERT_FIRES)
    if is_touched:
        return Decision.no(RecoveryReason.SOMEBODY_IS_ON_IT)
    if is_held:
        return Decision.no(RecoveryReason.AUTOMATION_IS_ON_IT)
    return Decision.yes(RecoveryReason.NOBODY_TOUCHED_IT)


class JoinReason(StrEnum):
    """Why an alert got its own incident, joined one, or brought one back."""

    FIRST_OF_ITS_CAUSE = "first_of_its_cause"
    SAME_CAUSE = "same_cause"
    RECURRED = "recurred"
    LAST_ONE_LONG_AGO = "last_one_long_ago"


def join(status: Status | None, resolved_at: datetime | None, *, fired_at: datetime) -> JoinReason:
    """Decide what a new alert does, given the newest incident of its cause (or None)."""
    if status is None:
        return JoinReason.FIRST_OF_ITS_CAUSE
    if status in LIVE:
        return JoinReason.SAME_CAUSE
    if status is Status.RESOLVED and resolved_at is not None and fired_at - resolved_at <= RECURRENCE_REOPENS:
        return JoinReason.RECURRED
    return JoinReason.LAST_ONE_LONG_AGO
