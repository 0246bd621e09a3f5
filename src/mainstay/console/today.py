"""Today: what needs a person, what was fixed without one, and whether silence is really quiet.

Owns: the collection over all domains and the honest word for nothing. Does not own: what needs somebody.
Invariant: "all quiet" is never said while a source is stale or nothing is watched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from mainstay.core.access.services import allows
from mainstay.core.jobs import queries as jobs
from mainstay.core.ledger import queries as ledger
from mainstay.domains.alerting import pages as alerting
from mainstay.domains.automation import pages as automation
from mainstay.domains.desk import pages as desk
from mainstay.domains.estate import pages as estate
from mainstay.domains.estate import queries as devices
from mainstay.domains.estate.models import Device
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import Clock
from mainstay.ui.today import Change, Handled, NeedsYou, in_order

# Who says what needs a person, and who says what was fixed without one.
NEEDING: tuple[Callable[[Actor, Clock], list[NeedsYou]], ...] = (estate.today, alerting.today, desk.today)
HANDLING: tuple[Callable[[Actor, Clock], list[Handled]], ...] = (automation.handled,)
HANDLED_MAX = 10
FRESH_FOR = timedelta(seconds=60)
CHANGES_WITHIN = timedelta(days=1)
JOB_WAITS_MAX_S = 60


@dataclass(frozen=True)
class Source:
    """Something that must be fresh before silence means anything: its state, and since when."""

    name: str
    tone: str
    text: str
    at: datetime | None = None

    @property
    def is_fresh(self) -> bool:
        return self.tone == "ok"


@dataclass(frozen=True)
class Quiet:
    """What may be said when nothing needs anybody. `tone` is ok only when every source is fresh."""

    tone: str
    title: str
    text: str
    since: datetime | None = None


def needs_you(actor: Actor, clock: Clock) -> list[NeedsYou]:
    """Return what waits for a person, in the order in which it should be met."""
    rows = [row for part in NEEDING for row in part(actor, clock)]
    covered = frozenset[UUID]().union(*(row.covers for row in rows))
    return in_order([row for row in rows if row.of not in covered])


def handled(actor: Actor, clock: Clock) -> list[Handled]:
    """Return what was fixed without a person, newest first."""
    rows = [row for part in HANDLING for row in part(actor, clock)]
    return sorted(rows, key=lambda row: row.at, reverse=True)[:HANDLED_MAX]


def changes(actor: Actor, clock: Clock) -> list[Change]:
    """Return what changed within a day, newest first."""
    return estate.changes(actor, clock.now() - CHANGES_WITHIN) if allows(actor, "estate.device.read") else []


def sources(actor: Actor, now: datetime) -> list[Source]:
    """Return what has to be heard before anything may be called quiet."""
    return [_devices(actor, now), _jobs(now), *_record(actor, now)]


def _devices(actor: Actor, now: datetime) -> Source:
    watched = list(devices.devices(actor.readable).filter(state="active").values_list("name", "last_seen_at"))
    if not watched:
        return Source("Devices", "unknown", "none has joined")
    silent = sorted(name for name, seen in watched if seen is None or now - seen > FRESH_FOR)
    newest = max((seen for _, seen in watched if seen), default=None)
    if silent:
        names = ", ".join(silent[:3]) + (f" and {len(silent) - 3} more" if len(silent) > 3 else "")
        return Source("Devices", "stale", f"no word for more than a minute from {names}", newest)
    return Source("Devices", "ok", f"{len(watched)} of {len(watched)} heard", newest)


def _jobs(now: datetime) -> Source:
    queue = jobs.queue_health(now)
    if not queue.workers:
        return Source("Alert rules and jobs", "stale", "no worker answers, so nothing is evaluated")
    if queue.oldest_unclaimed_s > JOB_WAITS_MAX_S:
        return Source("Alert rules and jobs", "stale", f"a job has waited {queue.oldest_unclaimed_s:.0f} s for a worker")
    return Source("Alert rules and jobs", "ok", "evaluated and handed on")


def _record(actor: Actor, now: datetime) -> list[Source]:
    log = ledger.status(actor.tenant) if allows(actor, "ledger.entry.read") else None
    if log is None:
        return []
    if log.state != "open":
        return [Source("Ledger", "critical", log.state_reason or log.state, log.signed_at)]
    late = log.pending and (log.signed_at is None or now - log.signed_at > FRESH_FOR)
    return [Source("Ledger", "stale" if late else "ok", f"{log.size} leaves signed", log.signed_at)]


def quiet(actor: Actor, heard: Sequence[Source]) -> Quiet:
    """Return the honest word for an empty list."""
    blind = [one for one in heard if not one.is_fresh]
    if any(one.tone == "unknown" for one in blind):
        return Quiet("unknown", "Nothing is watched yet.", "No device has joined. As soon as one reports, this page says how it is.")
    if blind:
        said = "; ".join(f"{one.name}: {one.text}" for one in blind)
        return Quiet("stale", "Not everything can be heard.", f"{said}. Silence is not health.")
    return Quiet("ok", "All quiet.", "Nothing waits for you.", alerting.last_resolved(actor))


def own_device(actor: Actor, host: str) -> Device | None:
    """Return the device that this installation runs on: the one with its host name, else the first that joined."""
    known = devices.devices([actor.tenant]).filter(state="active")
    return known.filter(name=host).first() or known.order_by("first_enrolled_at").first()


def lately(actor: Actor, limit: int = 8) -> list[object]:
    """Return the newest entries of the ledger, for whoever may read it."""
    if not allows(actor, "ledger.entry.read"):
        return []
    return list(ledger.numbered_entries(actor.tenant).order_by("-id")[:limit])
